"""The confidence sequence of a rate ratio: which multiples of stable's rate the candidate's can be, at any time at all.

Neighbours: counts.py has the e-process that is turned round here (all ratios that it does not refute); effects.py shows it.
State is small, since batches are kept by the candidate's share in them: within such a class the penalty `D` of counts.py
is nearly linear in that share, and what it may be more is bounded from above, so the sequence is never too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from tidegate.analysis.counts import GRID, LOG_W, Floats

WIDTH = 0.25
"""Of a class, in log odds of the candidate's share."""
_FAR = math.log(1e6)

Row = tuple[float, float, float]
"""Of a class: events in it, their sum of shares, their sum of squared shares; each divided by the batch's phi."""


@dataclass(frozen=True, slots=True)
class RatioSequence:
    """`events` of the candidate, divided by phi like the rows; `rows` by class of share."""

    events: float = 0.0
    rows: Mapping[int, Row] = field(default_factory=dict)

    def absorb(self, n_c: int, s_c: int, n_b: int, s_b: int, *, phi: float = 1.0) -> RatioSequence:
        """With one batch more: requests and events of the candidate and of stable. `phi` was known before it."""
        if not n_c or not n_b or not s_c + s_b:
            return self
        share, weight = n_c / (n_c + n_b), (s_c + s_b) / phi
        key = math.floor(math.log(n_c / n_b) / WIDTH)
        old = self.rows.get(key, (0.0, 0.0, 0.0))
        row = (old[0] + weight, old[1] + weight * share, old[2] + weight * share * share)
        return RatioSequence(self.events + s_c / phi, {**self.rows, key: row})

    def log_e(self, log_ratio: float, side: int) -> float:
        """log of an e-value against this ratio: evidence that the true one is above (side 1) or below (-1) it."""
        return _log_e(self.events, self._classes(), log_ratio, side) if self.rows else 0.0

    def interval(self, alpha: float) -> tuple[float, float | None]:
        """Lower and upper end of the 1 - alpha sequence. 0 below and None above: nothing is excluded there."""
        if not self.rows:
            return 0.0, None
        level, classes = math.log(2 / alpha), self._classes()
        ends: list[float | None] = []
        for side in (1, -1):
            far = -side * _FAR

            def excess(log_ratio: float, side: int = side) -> float:
                return _log_e(self.events, classes, log_ratio, side) - level

            if excess(far) <= 0:
                ends.append(None)
            else:
                ends.append(float(brentq(excess, far, -far, xtol=1e-4)) if excess(-far) < 0 else -far)
        low, high = ends
        return (0.0 if low is None else math.exp(low)), (None if high is None else math.exp(high))

    def _classes(self) -> _Classes:
        table = np.array([(key, *row) for key, row in sorted(self.rows.items())])
        key, events, first, second = (table[:, i, None] for i in range(4))
        mean = first / events
        ends: Floats = 1 / (1 + np.exp(-WIDTH * np.stack((key, key + 1), axis=0)))
        return _Classes(events, mean, ends, np.maximum(second - events * mean * mean, 0.0))

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {"events": self.events, "rows": [[key, *row] for key, row in self.rows.items()]}

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> RatioSequence:
        """The sequence that `to_doc` wrote."""
        return cls(doc["events"], {key: (a, b, c) for key, a, b, c in doc["rows"]})


class _Classes(NamedTuple):
    """By class, as columns: events, their mean share, the ends of the class, the spread of shares within it."""

    events: Floats
    mean: Floats
    ends: Floats
    spread: Floats


def _log_e(events: float, classes: _Classes, log_ratio: float, side: int) -> float:
    """The mixture over the bets, with at least the sum of (events/phi) D over all batches as their penalty.

    In a class, D at a share a is at most D at the events' mean share, plus a line that sums to nothing, plus half the
    greatest second derivative times the squared distance; `D = log((1 + a x)/(1 + a y))`, x = r e^u - 1, y = r - 1.
    """
    u = side * GRID
    x, y = np.expm1(log_ratio + u), math.expm1(log_ratio)
    bend = (y - x) * (x + y + 2 * classes.ends * x * y)
    steep = (1 + classes.ends * x) * (1 + classes.ends * y)
    curvature = np.maximum(np.maximum(bend[0], bend[1]), 0.0) / np.minimum(steep[0], steep[1]) ** 2
    at_mean = np.log1p(classes.mean * x) - np.log1p(classes.mean * y)
    logs = u * events - (classes.events * at_mean + curvature * classes.spread / 2).sum(axis=0) + LOG_W
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()))
