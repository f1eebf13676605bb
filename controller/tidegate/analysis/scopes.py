"""The parts of the traffic that a guardrail with `segments` speaks of, and what each part weighs in its evidence.

Neighbours: within.py judges inside each part, gap.py between any two of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tidegate.spec.policy import Guardrail

REST = "the rest"
"""How the traffic that no segment matches is called."""


def covers(guardrail: Guardrail, segment: str | None) -> bool:
    """Whether the guardrail speaks of this segment."""
    named = guardrail.segments
    return named == "each" or (named is not None and segment in named)


def share(guardrail: Guardrail, place: int) -> float:
    """The weight of the part that got its first traffic as number `place` (from 0). All that may come sum to 1.

    Named parts weigh the same; how many `each` will turn out to be is not known before. The order of first traffic is
    known before any outcome.
    """
    named = guardrail.segments
    if named is not None and named != "each":
        return 1 / len(named)
    return by_place(place)


def by_place(place: int) -> float:
    """Weights for what comes one by one, nobody knows how many: 1/4, 1/4, then four times 1/16, eight times 1/64."""
    return float(4.0 ** -math.floor(math.log2(place + 2)))


def name(segment: str | None) -> str:
    """A segment as sentences call it."""
    return REST if segment is None else segment


def log_sum(terms: Sequence[float]) -> float:
    """log of a sum given by logs; `-inf` for none."""
    top = max(terms, default=-math.inf)
    return top + math.log(math.fsum(math.exp(t - top) for t in terms)) if math.isfinite(top) else top
