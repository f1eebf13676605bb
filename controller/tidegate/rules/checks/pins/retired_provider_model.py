"""A provider's model must not have been retired: it would answer with errors, or as another model.

The dates are those of the providers' own pages, with the page in the finding; Tidegate carries them in a table, and
compares them with today's date, never in the controller. Move to a model that is served, as a new version with an
evaluation of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins.retirement import retirements
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for models whose day has come."""
    for version, found, days in retirements(context):
        if days <= 0:
            message = f"the provider retired this model on {found.day}"
            yield RULE.finding(
                version, ("provider", "model"), message, f"declare a model that is served: {found.source}"
            )


_PATH = "models/assistant/versions/1.0.0.yaml"
_MODEL = "gpt-5.5-2026-04-23"
_OLD = f"name: openai\n  model: {_MODEL}"

RULE = Rule(
    id="retired-provider-model",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "gpt-4-0613", _MODEL, at="gpt-4-0613"),
        Example(_PATH, "ft:gpt-3.5-turbo-0125:acme:support:AbC123xy", _MODEL, at="ft:gpt-3.5-turbo-0125"),
        Example(_PATH, "name: anthropic\n  model: claude-opus-4-20250514", _OLD, at="claude-opus-4-20250514"),
    ),
    good=(Example(_PATH, "name: anthropic\n  model: claude-opus-4-6", _OLD),),
)
