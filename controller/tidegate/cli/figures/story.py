"""What a figure of the evidence shows: one trial from its first batch to its end. Plain values.

Neighbours: `history` makes it of the journal, `backtest` of a log; terminal.py and drawn.py draw it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tidegate.engine.trail import Trail, total

LN10 = math.log(10)


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment with a name: a step's beginning, a hold. Epoch seconds."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Story:
    """One trial. `verdict`: `fail`, `pass`, `hold` or what became of the release; `sentence`: the verdict's own.

    `began` and `ended` in epoch seconds.
    """

    title: str
    verdict: str
    sentence: str
    trail: Trail
    began: float
    ended: float
    marks: tuple[Mark, ...] = ()

    @property
    def names(self) -> list[str]:
        """The guardrails, as a legend names them."""
        return [f"{line.metric} {line.limit}" for line in self.trail.lines]

    @property
    def threshold(self) -> float:
        """log10 of 1/alpha: the joint evidence at which the candidate goes back."""
        return -math.log10(self.trail.alpha)

    def curves(self) -> list[list[tuple[float, float]]]:
        """For each guardrail: seconds since the beginning, log10 of weight times E."""
        points = self._points()
        curves = zip(*(values for _, values in points), strict=True)
        return [[(x, value / LN10) for (x, _), value in zip(points, curve, strict=True)] for curve in curves]

    def joint(self) -> list[tuple[float, float]]:
        """The same of all guardrails together: what decides."""
        return [(x, total(values) / LN10) for x, values in self._points()]

    def _points(self) -> list[tuple[float, tuple[float, ...]]]:
        """Before the first batch every E is 1."""
        nothing = (self.began, 0, 0, (0.0,) * len(self.trail.lines))
        return [(point[0] - self.began, self.trail.weighted(point)) for point in (nothing, *self.trail.points)]

    def shares(self) -> Iterator[tuple[float, float, float]]:
        """The candidate's part of the requests, in percent: since and until so many seconds."""
        first = (self.began, 0, 0, ())
        for (since, before_b, before_c, _), (until, n_b, n_c, _) in pairwise([first, *self.trail.points]):
            seen = (n_b - before_b) + (n_c - before_c)
            yield since - self.began, until - self.began, 100 * (n_c - before_c) / seen if seen > 0 else 0.0
