"""A provider must be declared so that the gateway can reach it: who it is, where, and how it is called.

A name that says nothing, an endpoint without https, Azure without its deployment, or a provider that wants its requests
signed: the release would be refused when it is due, after the merge. The model's protocol has to be `openai`, since the
gateway changes no request from one protocol to another. To mend, write what the finding names; docs/how-to/providers.md
has an example of each.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.providers import problem


def check(context: Context) -> Iterator[Finding]:
    """Judge the provider of every version in use, and its model's protocol."""
    for folder, version in in_use(context):
        provider = version.value.provider
        if provider is None:
            continue
        found = problem(provider)
        if found is not None:
            loc = ("provider", found.field) if getattr(provider, found.field) is not None else ("provider",)
            yield RULE.finding(version, loc, found.message, found.fix)
        elif folder.model is not None and folder.model.value.protocol != "openai":
            message = f"a provider is called by OpenAI's protocol or its own, and the model's is {folder.model.value.protocol}"
            yield RULE.finding(
                version, ("provider",), message, "serve it as a model of its own, with 'protocol: openai'"
            )


_PATH = "models/assistant/versions/1.0.0.yaml"
_NAMED = "name: openai\n"
_OPENAI = "name: openai\n  model: gpt-5.5-2026-04-23\n"
_AZURE = "name: azure-openai\n  model: model=gpt-5.5;version=2026-04-23;upgrade=NoAutoUpgrade\n"
_CALLED = "deployment: chat\n  api_version: 2024-10-21\n  "

RULE = Rule(
    id="unusable-provider",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "name: bedrock\n", _NAMED, at="bedrock"),
        Example(_PATH, "name: acme-inference\n", _NAMED, at="acme-inference", mended="name: openai-compatible\n"),
        Example(_PATH, _AZURE, _OPENAI, at="name: azure-openai", mended=_CALLED + _AZURE),
        Example(_PATH, "deployment: chat\n  name: openai\n", _NAMED, at="chat"),
        Example(_PATH, "http://api.example.com/v1", "https://api.example.com/v1", at="http://api"),
        Example(_PATH, "https://api.example.com/v1?key=1", "https://api.example.com/v1", at="https://api"),
    ),
    good=(
        Example(_PATH, _CALLED + _AZURE, _OPENAI),
        Example(_PATH, "http://127.0.0.1:11434", "https://api.example.com/v1"),
        Example(_PATH, "name: openai-compatible\n", _NAMED),
    ),
)
