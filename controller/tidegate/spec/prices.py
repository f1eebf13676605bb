"""Kind Prices: what a token of a provider's model costs. In git like everything else, so that a change of price has a date.

Neighbours: providers.py says which provider a name means; the engine's figures.py reckons with it.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from tidegate.spec.base import Document, Number, Part, Text
from tidegate.spec.providers import kind_named
from tidegate.spec.version import Provider

PER: Final = 1_000_000
"""Tokens that a price is for."""

Amount = Annotated[Number, Field(ge=0)]


class Price(Part):
    """For a million tokens of a request (`input`) and of its answer (`output`; 0 for embeddings), in the file's currency."""

    provider: Text
    model: Text
    input: Amount
    output: Amount

    def of(self, prompt: int, completion: int) -> float:
        """What one request costs."""
        return (prompt * self.input + completion * self.output) / PER


class Prices(Document):
    """policies/prices.yaml"""

    kind: Literal["Prices"]
    currency: Annotated[Text, Field(pattern=r"^[A-Z]{3}$")]
    models: tuple[Price, ...] = ()

    @model_validator(mode="after")
    def _one_each(self) -> Prices:
        named = Counter((_whose(price.provider), price.model) for price in self.models)
        twice = next((model for (_, model), number in named.items() if number > 1), None)
        if twice is not None:
            raise ValueError(f"'{twice}' has two prices: keep one")
        return self

    def price(self, provider: Provider) -> Price | None:
        """What this one costs; None when nobody has said."""
        wanted = _whose(provider.name), provider.model
        return next((price for price in self.models if (_whose(price.provider), price.model) == wanted), None)


def _whose(name: str) -> str:
    return kind_named(name) or name
