"""A provider's model must be named by an id that the provider never moves.

An alias such as `gpt-5` or `claude-haiku-4-5` answers as another model one day, without a commit, an evaluation or a
rollout. What is fixed differs from provider to provider, and a date decides nothing by itself: `tidegate pin MODEL`
tells. Write the snapshot that answers now: the model id in its response.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import judge, kind_of
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Judge `provider.model` of every version, by the provider's name."""
    for _, version in context.versions():
        provider = version.value.provider
        kind = kind_of(provider.name, provider.model) if provider is not None else None
        if provider is None or kind is None:
            continue
        pin = judge(kind, provider.model)
        if not pin.pinned:
            message = f"'{provider.model}' of {provider.name} is not pinned: {pin.why}"
            yield RULE.finding(version, ("provider", "model"), message, pin.fix)


_PATH = "models/assistant/versions/1.0.0.yaml"
_MODEL = "gpt-5.5-2026-04-23"
_AZURE = (
    "deployment: chat\n  api_version: 2024-10-21\n  "
    "name: azure-openai\n  model: model=gpt-5.5;version=2026-04-23;upgrade="
)
_OLD = f"name: openai\n  model: {_MODEL}"

RULE = Rule(
    id="floating-model",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "gpt-5.5", _MODEL, at="gpt-5.5\n"),
        Example(_PATH, "gpt-5.5-2026-04-31", _MODEL, at="gpt-5.5-2026-04-31"),
        Example(_PATH, f"{_AZURE}OnceCurrentVersionExpired", _OLD, at="model=gpt-5.5", mended=f"{_AZURE}NoAutoUpgrade"),
        Example(_PATH, "name: anthropic\n  model: claude-haiku-4-5", _OLD, at="claude-haiku-4-5\n"),
    ),
    good=(
        Example(_PATH, "name: anthropic\n  model: claude-opus-5", _OLD),
        Example(_PATH, f"{_AZURE}NoAutoUpgrade", _OLD),
    ),
)
