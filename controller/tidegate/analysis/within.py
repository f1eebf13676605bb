"""A guardrail asked per segment: one guard for each, and their weighted evidence as one.

Neighbours: guards.py is the guard of a segment, scopes.py has the weights, opinions.py words it; judge.py treats it as one guard.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.analysis.guards import Guard
from tidegate.analysis.rates import Look
from tidegate.analysis.scopes import covers, log_sum, share
from tidegate.spec.policy import Guardrail


@dataclass(frozen=True, slots=True)
class Within:
    """The guards by segment, in the order of their first traffic."""

    guardrail: Guardrail
    rails: tuple[Guardrail, ...]
    parts: Mapping[str | None, Guard] = field(default_factory=dict)

    def absorb(self, look: Look, promote_at: float, delta: float) -> Within:
        """With one batch more: its own segment's guard takes it, if the guardrail speaks of that."""
        segment = look.batch.segment
        if not covers(self.guardrail, segment):
            return self
        guard = self._part(segment, delta)
        place = [*self.parts, segment].index(segment)
        guard = guard.absorb(look, promote_at, delta * share(self.guardrail, place))
        return replace(self, parts={**self.parts, segment: guard})

    def with_row(self, look: Look) -> Within:
        """With a batch still open in its segment's recent windows."""
        segment = look.batch.segment
        if not covers(self.guardrail, segment):
            return self
        return replace(self, parts={**self.parts, segment: self._part(segment, 1.0).with_row(look)})

    @property
    def terms(self) -> dict[str | None, float]:
        """log of each segment's weighted E."""
        return {s: math.log(share(self.guardrail, i)) + g.log_e for i, (s, g) in enumerate(self.parts.items())}

    @property
    def log_e(self) -> float:
        """log E over the segments, whatever the dependence between them."""
        return log_sum(list(self.terms.values()))

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values, without the guardrail itself."""
        return {"parts": [[segment, guard.to_doc()] for segment, guard in self.parts.items()]}

    def with_doc(self, doc: Mapping[str, Any], delta: float) -> Within:
        """This fresh one as `to_doc` found it."""
        parts = {
            segment: self._fresh(place, delta, part["counts"]).with_doc(part)
            for place, (segment, part) in enumerate(doc["parts"])
        }
        return replace(self, parts=parts)

    def _part(self, segment: str | None, delta: float) -> Guard:
        return self.parts.get(segment) or self._fresh(len(self.parts), delta)

    def _fresh(self, place: int, delta: float, counts: bool = False) -> Guard:
        part = delta * share(self.guardrail, place)
        return Guard.new(self.guardrail, part, rails=self.rails, counts=counts)
