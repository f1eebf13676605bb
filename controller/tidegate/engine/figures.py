"""What an answer says of itself, held against what its release declares: its tokens, and whether the right model gave it.

Evidence.py puts these figures among a record's metrics, so that guardrails judge them like any other score.
Neighbours: gateway/usage.lua reads the answers, spec/providers.py says which id they have to name.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson

from tidegate.engine.catalog import Blob
from tidegate.spec.base import Document
from tidegate.spec.declared import Declared, load_document
from tidegate.spec.errors import TidegateError
from tidegate.spec.prices import Price, Prices
from tidegate.spec.providers import served_as
from tidegate.spec.version import ModelVersion

log = logging.getLogger(__name__)
D = TypeVar("D", bound=Document)
WRONG_MODEL: Final = "wrong_model"
"""1 for an answer that names another model than its release's, 0 for one that names it."""
TOKENS: Final = "tokens"
COST: Final = "cost"
"""Of one request, in the currency of policies/prices.yaml."""


def no_blob(_commit: str, _path: str) -> bytes | None:
    """Nothing was fetched before."""
    return None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the answers of one version are held against. `served_as`: the model id that they have to name, if any.

    `price`: what its tokens cost, None when nobody has said.
    """

    served_as: str | None = None
    price: Price | None = None


class Declarations:
    """The terms of all versions, as the newest commit declares them. A version that it does not have has none.

    Until a commit was seen (the remote is out of reach since the start), as the release's own commit did: `blob` gives the
    bytes of (commit, path) out of what was fetched before.
    """

    def __init__(self, blob: Blob = no_blob) -> None:
        self._blob = blob
        self._declared: Declared | None = None
        self._recalled_currency: str | None = None
        self._terms: dict[tuple[str, str, str], Terms] = {}

    def saw(self, declared: Declared) -> None:
        """Another commit."""
        if declared is not self._declared:
            self._declared = declared
            self._terms.clear()

    def of(self, model: object, version: object, commit: object) -> Terms:
        """The terms of a version, by the names in the record; `commit`: its release's."""
        declared = self._declared
        key = (str(model), str(version), "" if declared is not None else str(commit))
        known = self._terms.get(key)
        if known is None:
            known = self._terms[key] = _of(declared, *key[:2]) if declared is not None else self._recalled(*key)
        return known

    @property
    def currency(self) -> str | None:
        """In which costs are told."""
        if self._declared is None:
            return self._recalled_currency
        prices = self._declared.prices
        return prices.value.currency if prices is not None else None

    def _recalled(self, model: str, version: str, commit: str) -> Terms:
        """A look at what was fetched before; the next commit that is seen is asked again."""
        try:
            own = self._read(ModelVersion, commit, f"models/{model}/versions/{version}.yaml")
            prices = self._read(Prices, commit, "policies/prices.yaml")
        except TidegateError as error:
            log.warning("no commit was seen yet, and %s says nothing of %s %s: %s", commit[:12], model, version, error)
            return Terms()
        self._recalled_currency = prices.currency if prices is not None else self._recalled_currency
        return _terms(own, prices) if own is not None else Terms()

    def _read(self, kind: type[D], commit: str, path: str) -> D | None:
        text = self._blob(commit, path)
        loaded = load_document(kind, text, path)[0] if text is not None else None
        return loaded.value if loaded is not None else None


def _of(declared: Declared, model: str, version: str) -> Terms:
    folder = declared.models.get(model)
    found = folder.versions.get(version) if folder is not None else None
    prices = declared.prices.value if declared.prices is not None else None
    return _terms(found.value, prices) if found is not None else Terms()


def _terms(version: ModelVersion, prices: Prices | None) -> Terms:
    price = prices.price(version.provider) if prices is not None and version.provider is not None else None
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


def told(usage: object) -> Mapping[str, Any]:
    """What usage.lua made of an answer, as a line of mirrored answers has it: members of a record, if any."""
    if not isinstance(usage, str) or not usage.startswith(","):
        return {}
    try:
        found: Mapping[str, Any] = orjson.loads("{" + usage[1:] + "}")
    except ValueError:  # no answer says anything by a line that is damaged
        return {}
    return found


class Sums:
    """Figures of many answers: how many told each, and what that comes to."""

    def __init__(self) -> None:
        self._told: Counter[str] = Counter()
        self._sums: dict[str, float] = {}

    def add(self, figures: Mapping[str, float]) -> None:
        """Those of one answer."""
        for name, value in figures.items():
            self._told[name] += 1
            self._sums[name] = self._sums.get(name, 0.0) + value

    def show(self, currency: str | None) -> dict[str, Any]:
        """Tokens, other models' answers and costs, and of how many answers. What no answer has told is None, and never 0."""
        return {
            **{name: int(self._sums[name]) if self._told[name] else None for name in (TOKENS, WRONG_MODEL)},
            "counted": self._told[TOKENS],
            "cost": round(self._sums[COST], 6) if self._told[COST] else None,
            "priced": self._told[COST],
            "currency": currency if self._told[COST] else None,
        }


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
