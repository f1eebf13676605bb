"""The evidence over time, thinned: log E of each guardrail at a bounded number of moments, for a picture of how it came about.

Pure. Neighbours: journaling.py keeps one for each trial, `history --plot` and `backtest --plot` draw it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tidegate.spec.metric import unsupported
from tidegate.spec.policy import Guardrail, PolicyFields
from tidegate.spec.samples import alphas

MOST: Final = 256
"""Points that are kept: half as many stay when there are more, evenly over time."""
FLOOR: Final = -46.0
"""log E below which nothing is told apart: 1e-20."""


@dataclass(frozen=True, slots=True)
class Line:
    """One guardrail as the picture names it. `threshold`: what its E must reach to decide alone."""

    index: int
    metric: str
    limit: str
    threshold: float


@dataclass(slots=True)
class Trail:
    """Points of one trial. `stride`: of so many batches one is kept, the newest always; `filled`: so many of them are in it.

    A point: epoch seconds, stable's and the candidate's requests so far, log E by line. `alpha`: the policy's.
    """

    lines: tuple[Line, ...]
    alpha: float
    points: list[tuple[float, int, int, tuple[float, ...]]] = field(default_factory=list)
    stride: int = 1
    filled: int = 0

    @classmethod
    def of(cls, policy: PolicyFields) -> Trail:
        """Without points yet. Immediate guardrails have no evidence, and those without weight decide nothing."""
        parts = zip(policy.guardrails, alphas(policy), strict=True)
        lines = (
            Line(i, g.metric, limit_text(g), 1 / alpha)
            for i, (g, alpha) in enumerate(parts)
            if alpha > 0 and not unsupported(g)
        )
        return cls(tuple(lines), 1 - policy.confidence)

    def add(self, at: float, stable: int, candidate: int, log_es: Sequence[float]) -> None:
        """One moment more. `log_es`: of all guardrails of the policy, in its order; -inf before it says anything."""
        point = (at, stable, candidate, tuple(_held(log_es[line.index]) for line in self.lines))
        if self.points and self.filled < self.stride:
            self.points[-1] = point
            self.filled += 1
            return
        self.points.append(point)
        self.filled = 1
        if len(self.points) > MOST:
            self.points = self.points[::-2][::-1]
            self.stride *= 2

    def weighted(self, point: tuple[float, int, int, tuple[float, ...]]) -> tuple[float, ...]:
        """log of weight x E by line: all of them are then held against 1/alpha, and their sum decides."""
        return tuple(
            log_e - math.log(line.threshold * self.alpha) for line, log_e in zip(self.lines, point[3], strict=True)
        )

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {
            "version": 1,
            "alpha": self.alpha,
            "guardrails": [[line.index, line.metric, line.limit, line.threshold] for line in self.lines],
            "stride": self.stride,
            "filled": self.filled,
            "points": [[round(at, 3), n_b, n_c, *es] for at, n_b, n_c, es in self.points],
        }

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Trail:
        """The trail that `to_doc` wrote."""
        lines = tuple(Line(*line) for line in doc["guardrails"])
        points = [(at, n_b, n_c, tuple(es)) for at, n_b, n_c, *es in doc["points"]]
        return cls(lines, doc["alpha"], points, doc["stride"], doc["filled"])


def limit_text(guardrail: Guardrail) -> str:
    """A guardrail's limit as a legend has it: `max_ratio: 1.5`, `max_ratio: 1.5 in eu`."""
    text = f"{guardrail.limit_name}: {guardrail.limit:g}"
    if guardrail.segments is None:
        return text
    return f"{text} in each segment" if guardrail.segments == "each" else f"{text} in {', '.join(guardrail.segments)}"


def total(logs: Iterable[float]) -> float:
    """log of the sum: the joint evidence of all guardrails."""
    known = list(logs)
    top = max(known, default=-math.inf)
    return top + math.log(sum(math.exp(one - top) for one in known)) if top > -math.inf else top


def _held(log_e: float) -> float:
    return round(max(log_e, FLOOR), 3)
