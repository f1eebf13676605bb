"""What an answer says of itself, held against what its release declares: its tokens, and whether the right model gave it. Pure.

Evidence.py puts these figures among a record's metrics, so that guardrails judge them like any other score.
Neighbours: gateway/usage.lua reads the answers, spec/providers.py says which id they have to name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidegate.spec.declared import Declared
from tidegate.spec.prices import Price
from tidegate.spec.providers import served_as
from tidegate.spec.version import ModelVersion

WRONG_MODEL: Final = "wrong_model"
"""1 for an answer that names another model than its release's, 0 for one that names it."""
TOKENS: Final = "tokens"
COST: Final = "cost"
"""Of one request, in the currency of policies/prices.yaml."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the answers of one version are held against. `served_as`: the model id that they have to name, if any.

    `price`: what its tokens cost, None when nobody has said.
    """

    served_as: str | None = None
    price: Price | None = None


class Declarations:
    """The terms of all versions, as the newest commit declares them. A version that it does not have has none."""

    def __init__(self) -> None:
        self._declared = Declared()
        self._terms: dict[tuple[str, str], Terms] = {}

    def saw(self, declared: Declared) -> None:
        """Another commit."""
        if declared is not self._declared:
            self._declared = declared
            self._terms.clear()

    def of(self, model: object, version: object) -> Terms:
        """The terms of a version, by the names in the record."""
        key = (str(model), str(version))
        known = self._terms.get(key)
        if known is None:
            folder = self._declared.models.get(key[0])
            found = folder.versions.get(key[1]) if folder is not None else None
            known = self._terms[key] = self._of(found.value) if found is not None else Terms()
        return known

    @property
    def currency(self) -> str | None:
        """In which costs are told."""
        prices = self._declared.prices
        return prices.value.currency if prices is not None else None

    def _of(self, version: ModelVersion) -> Terms:
        prices = self._declared.prices
        price = prices.value.price(version.provider) if prices is not None and version.provider is not None else None
        return Terms(served_as(version), price)


def figures(record: Mapping[str, Any], terms: Terms) -> dict[str, float]:
    """The figures of one record, by name; what it does not say has none."""
    found: dict[str, float] = {}
    served = record.get("served_model")
    if terms.served_as is not None and isinstance(served, str):
        found[WRONG_MODEL] = float(served != terms.served_as)
    prompt, completion = (record.get(name) for name in ("prompt_tokens", "completion_tokens"))
    if isinstance(prompt, int):  # an embedding has no completion; without the prompt it is no sum
        completion = completion if isinstance(completion, int) else 0
        found[TOKENS] = float(prompt + completion)
        if terms.price is not None:
            found[COST] = terms.price.of(prompt, completion)
    return found


@dataclass(frozen=True, slots=True)
class Stranger:
    """Answers of a release that named another model: whose, what they named last, what was to be expected, how many so far."""

    route: str
    release: str
    version: str
    commit: str
    served: str
    expected: str
    answers: int

    @property
    def sentence(self) -> str:
        """For people."""
        times = "1 answer names" if self.answers == 1 else f"{self.answers:,} answers name"
        return f"{times} another model than the release's: '{self.served}' instead of '{self.expected}'"


def stranger_fix(one: Stranger) -> str:
    """What to do about it."""
    return (
        f"ask its provider what answers there; tidegate rollback {one.route} goes back, and a new version with "
        f"'answers_as: {one.served}' says that it is meant"
    )
