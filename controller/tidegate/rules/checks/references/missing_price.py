"""What a provider's model costs should stand in policies/prices.yaml.

Without a price, the cost of a release is not known: the status says of how many answers, a guardrail on `cost` has no data
and holds the rollout, and nobody sees before the bill that the new model is ten times as dear. Add the provider's price for
a million tokens of requests and of answers; the embeddings of a model have an `output` of 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for a price of every provider's model in use."""
    prices = context.declared.prices
    for _, version in in_use(context):
        provider = version.value.provider
        if provider is None or (prices is not None and prices.value.price(provider) is not None):
            continue
        message = f"what '{provider.model}' of {provider.name} costs is not known"
        fix = (
            f"add {{provider: {provider.name}, model: '{provider.model}', input: ..., output: ...}} "
            "to the models of policies/prices.yaml"
        )
        yield RULE.finding(version, ("provider", "model"), message, fix)


_PATH = "models/assistant/versions/1.0.0.yaml"
_MODEL = "model: gpt-5.5-2026-04-23"

RULE = Rule(
    id="missing-price",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "model: gpt-5.4-2026-03-05", _MODEL, at="gpt-5.4"),
        Example(_PATH, "name: mistral", "name: openai", at="gpt-5.5-2026-04-23"),
    ),
    good=(Example(_PATH, "name: OpenAI", "name: openai"),),
)
