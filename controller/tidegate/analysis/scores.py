"""Betting on scores in [0, 1]: is the candidate's mean worse than stable's, or than a fixed value?

Neighbours: guards.py feeds it; joint.py adds its evidence up. Source: ANALYSIS.md (paired betting, disjoint groups).
Disjoint groups and never one shared baseline mean: with a shared one the factors of a batch are not independent given
the null, and the mean of their product exceeds 1 (tests/analysis shows a case small enough to enumerate).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.analysis.restarts import LOG_FIRST, log_weight, unspent

Floats = NDArray[np.float64]

BETS = 16
_BETS: Floats = np.geomspace(1 / 128, 0.95, BETS)


UNIT = (0.0, 1.0)


def valid(values: Sequence[float], bounds: tuple[float, float] = UNIT) -> Floats:
    """The scores that are scores, scaled from `bounds` (the metric's own unit) to [0, 1].

    What is not a finite number within them is an invalid output, a metric of its own.
    """
    low, high = bounds
    array = np.asarray(values, dtype=np.float64)
    kept: Floats = array[(array >= low) & (array <= high)]
    return kept if bounds == UNIT else np.clip((kept - low) / (high - low), 0.0, 1.0)


def group_means(stable: Floats, candidate: Floats) -> tuple[Floats, Floats]:
    """Means of min(n_c, n_b) disjoint groups of each arm, dealt out by order of arrival, never by value."""
    groups = min(len(stable), len(candidate))

    def means(values: Floats) -> Floats:
        which = np.arange(len(values)) % groups
        result: Floats = np.bincount(which, weights=values, minlength=groups) / np.bincount(which, minlength=groups)
        return result

    return means(stable), means(candidate)


@dataclass(frozen=True, slots=True)
class Line:
    """A linear claim about means, `slope * stable + offset + sign * candidate <= 0`, and how far below 0 it can go.

    It states the null hypothesis: "no worse than the limit", or for promotion "worse by the margin or more".
    """

    slope: float
    offset: float
    sign: float

    @property
    def depth(self) -> float:
        """How far below zero a single value can be; the bets stay below 0.95 of what it could take."""
        low = min(self.slope, 0.0) + self.offset + min(self.sign, 0.0)
        return max(-low, 1e-9)

    def value(self, stable: Floats, candidate: Floats) -> Floats:
        """The claim's left side for each pair of group means."""
        result: Floats = self.slope * stable + self.offset + self.sign * candidate
        return result

    def flipped(self) -> Line:
        """The opposite claim: `>= 0` of this one."""
        return Line(-self.slope, -self.offset, -self.sign)

    def scaled(self, bounds: tuple[float, float]) -> Line:
        """The same claim about values scaled from `bounds` to [0, 1]."""
        low, high = bounds
        return Line(self.slope, (self.offset + (self.slope + self.sign) * low) / (high - low), self.sign)


def line(limit_name: str, limit: float, bounds: tuple[float, float] = UNIT) -> Line:
    """The claim "within the limit" for one of the six limits, about scores scaled from `bounds` to [0, 1].

    `limit` is in the metric's own unit; drops and increases of a score are absolute.
    """
    return _line(limit_name, limit).scaled(bounds)


def _line(limit_name: str, limit: float) -> Line:
    match limit_name:
        case "max_drop":
            return Line(1.0, -limit, -1.0)
        case "min_ratio":
            return Line(limit, 0.0, -1.0)
        case "max_increase":
            return Line(-1.0, -limit, 1.0)
        case "max_ratio":
            return Line(-limit, 0.0, 1.0)
        case "max":
            return Line(0.0, -limit, 1.0)
        case _:
            return Line(0.0, limit, -1.0)


@dataclass(frozen=True, slots=True)
class ScoresTest:
    """Evidence against a claim about means: `E = (1/K) sum_k prod_i (1 + l_k v_i)`, l_k geometric up to 0.95/depth.

    `n`: pairs (for an absolute claim, scores) so far. `renews`: later starts are mixed in (restarts.py).
    """

    claim: Line
    renews: bool = False
    logs: tuple[float, ...] = (0.0,) * BETS
    n: int = 0

    def absorb(self, stable: Floats, candidate: Floats) -> ScoresTest:
        """With one batch of valid scores more. A relative claim leaves out a batch in which one arm had none."""
        if not len(candidate):
            return self
        if self.claim.slope:
            if not len(stable):
                return self
            stable, candidate = group_means(stable, candidate)
        else:
            stable = np.zeros(len(candidate))
        values = self.claim.value(stable, candidate)
        bets = _BETS / self.claim.depth
        logs: Floats = np.asarray(self.logs)
        if self.renews:
            logs = np.logaddexp(logs + (0.0 if self.n else LOG_FIRST), log_weight(self.n, len(values)))
        logs = logs + np.log1p(bets[:, None] * values[None, :]).sum(axis=1)
        return replace(self, logs=tuple(logs.tolist()), n=self.n + len(values))

    @property
    def log_e(self) -> float:
        """log E, the mean over the 16 bets (and over the starts)."""
        mean = float(np.logaddexp.reduce(np.asarray(self.logs))) - math.log(BETS)
        return float(np.logaddexp(mean, math.log(unspent(self.n)))) if self.renews and self.n else mean

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        claim = [self.claim.slope, self.claim.offset, self.claim.sign]
        return {"claim": claim, "renews": self.renews, "logs": list(self.logs), "n": self.n}

    @classmethod
    def from_doc(cls, doc: dict[str, Any]) -> ScoresTest:
        """The test that `to_doc` wrote, also before there were later starts."""
        return cls(Line(*doc["claim"]), doc.get("renews", False), tuple(doc["logs"]), doc.get("n", 0))
