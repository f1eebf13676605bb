"""Prices: found by whoever the provider's name means, one for each model, and none below nothing."""

from __future__ import annotations

import pytest

from tidegate.spec.declared import load_document
from tidegate.spec.prices import Prices
from tidegate.spec.version import Provider

HEAD = "api: tidegate/v1\nkind: Prices\n"


def loaded(text: str) -> tuple[Prices | None, list[str]]:
    found, problems = load_document(Prices, f"{HEAD}{text}".encode(), "policies/prices.yaml")
    return (found.value if found is not None else None), [problem.message for problem in problems]


def test_a_price_is_found_by_whoever_a_name_means() -> None:
    prices, _ = loaded("currency: USD\nmodels: [{provider: azure, model: m, input: 1, output: 2.5}]")
    assert prices is not None

    def price(name: str, model: str) -> float | None:
        fields = {"name": name, "model": model, "endpoint": "https://x.example.com", "credential": {"env": "KEY"}}
        found = prices.price(Provider.model_validate(fields))
        return found.output if found is not None else None

    assert price("azure-openai", "m") == price("Azure OpenAI", "m") == 2.5
    assert price("openai", "m") is None and price("azure", "m-2") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("currency: dollars", "currency"),
        ("currency: USD\nmodels: [{provider: openai, model: m, input: -1, output: 1}]", "input"),
        ("currency: USD\nmodels: [{provider: openai, model: m, input: 1}]", "output"),
        (
            "currency: USD\nmodels: [{provider: azure, model: m, input: 1, output: 1}, "
            "{provider: azure-openai, model: m, input: 1, output: 2}]",
            "two prices",
        ),
    ],
)
def test_a_price_that_cannot_be_is_told(text: str, said: str) -> None:
    prices, problems = loaded(text)
    assert prices is None and any(said in problem for problem in problems)
