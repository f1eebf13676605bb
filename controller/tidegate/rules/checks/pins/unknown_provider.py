"""The provider of a model should be one whose ids Tidegate can judge.

What pins a model differs from provider to provider. Of one that is not known nobody can say whether its id is moved
tomorrow. Correct the name if it is misspelt; else make sure of it yourself, and excuse the line with your reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import kind_of
from tidegate.rules.rule import Example, Rule
from tidegate.spec.providers import KNOWN, kind_named
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Look for providers without a kind of model ids."""
    for _, version in context.versions():
        provider = version.value.provider
        if provider is None or kind_of(provider.name, provider.model) is not None:
            continue
        close = similar(provider.name, KNOWN)
        why = "is not known" if kind_named(provider.name) is None else "serves models of any maker"
        message = f"nobody can say whether '{provider.model}' is pinned: the provider '{provider.name}' {why}"
        named = close is not None and close != provider.name
        fix = (
            f"did you mean '{close}'?" if named else f"name one of {', '.join(KNOWN)}, or excuse the line with a reason"
        )
        yield RULE.finding(version, ("provider", "name"), message, fix)


_PATH = "models/assistant/versions/1.0.0.yaml"

RULE = Rule(
    id="unknown-provider",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "name: open-ai", "name: openai", at="open-ai"),
        Example(_PATH, "name: acme-inference", "name: openai", at="acme-inference"),
    ),
    good=(Example(_PATH, "name: OpenAI", "name: openai"),),
)
