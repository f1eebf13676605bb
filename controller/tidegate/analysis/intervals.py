"""Confidence sequences of one arm, right at any time: a rate, a latency quantile, a mean score. Nothing is decided by them.

Neighbours: boundaries.py has the mathematics; ratio.py compares two arms; effects.py asks both for a judgement's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy.optimize import brentq

from tidegate.analysis.boundaries import (
    beta_binomial_log_mixture,
    beta_binomial_mixture_bound,
    gamma_exponential_mixture_bound,
)
from tidegate.analysis.latency import BUCKETS
from tidegate.analysis.scores import Floats

TIGHT_AT = 1000.0
"""Requests at which the sequences of rates and quantiles are tightest; nearly so for 50 times fewer and more."""
_TIGHT_SPREAD = 20.0
_EDGE = 1e-12


def rate_interval(n: float, k: float, alpha: float, t_opt: float = TIGHT_AT) -> tuple[float, float]:
    """Lower and upper end of a rate's 1 - alpha confidence sequence after k events in n requests (effective ones, if fewer).

    The rates at which the two-sided beta-binomial mixture has not reached 1/alpha (Howard et al. 2021, section 4.2;
    confseq's `bernoulli_confidence_interval`). (0, 1) without requests.
    """
    if n <= 0:
        return 0.0, 1.0
    seen, level = k / n, math.log(1 / alpha)

    def excess(p: float) -> float:
        v = p * (1 - p)
        mixture = beta_binomial_log_mixture((seen - p) * n, v * n, v * t_opt, p, 1 - p, one_sided=False)
        return mixture - level

    return _crossing(excess, _EDGE, seen, 0.0), _crossing(excess, 1 - _EDGE, seen, 1.0)


def _crossing(excess: Callable[[float], float], end: float, seen: float, beyond: float) -> float:
    """Where the excess falls to 0 between an end of the range and what was seen; `beyond` when it never does."""
    inner = min(max(seen, _EDGE), 1 - _EDGE)
    if abs(inner - end) <= _EDGE or excess(end) <= 0:
        return beyond
    return float(brentq(excess, end, inner, xtol=1e-12))


def quantile_interval(
    cells: tuple[int, ...], q: float, alpha: float, t_opt: float = TIGHT_AT
) -> tuple[float, float | None]:
    """Lower and upper end, in ms, of the q-quantile's 1 - alpha confidence sequence from a histogram in `latency.BUCKETS`.

    Howard and Ramdas (2022), theorem 1 with the beta-binomial mixture: the sample quantiles at q less and plus the
    boundary. Moved out to the edges of their cells. None above: too few requests to say.
    """
    n = sum(cells)
    if not n:
        return 0.0, None
    v = q * (1 - q)
    below = beta_binomial_mixture_bound(v * n, alpha, v * t_opt, 1 - q, q, one_sided=False)
    above = beta_binomial_mixture_bound(v * n, alpha, v * t_opt, q, 1 - q, one_sided=False)
    low, high = _cell(cells, q * n - below), _cell(cells, q * n + above)
    lower = BUCKETS[low - 1] if low else 0.0
    return lower, None if q * n + above >= n or high >= len(BUCKETS) else BUCKETS[high]


def _cell(cells: tuple[int, ...], rank: float) -> int:
    """The cell that holds the value of this rank."""
    rest = rank
    for index, count in enumerate(cells):
        if count and rest <= count:
            return index if rank > 0 else 0
        rest -= count
    return len(cells) - 1


@dataclass(frozen=True, slots=True)
class MeanSequence:
    """A mean of values in [0, 1]: their number and sum, and `v`, squared deviations from the mean before their batch.

    Howard et al. (2021), theorem 4 (empirical Bernstein) with the gamma-exponential mixture, c = 1.
    """

    n: int = 0
    total: float = 0.0
    v: float = 0.0

    def absorb(self, values: Floats) -> MeanSequence:
        """With one batch more, which may be empty."""
        if not len(values):
            return self
        guess = (self.total + 0.5) / (self.n + 1)
        spread = float(((values - guess) ** 2).sum())
        return MeanSequence(self.n + len(values), self.total + float(values.sum()), self.v + spread)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Lower and upper end, 1 - alpha; (0, 1) without values."""
        if not self.n:
            return 0.0, 1.0
        reach = gamma_exponential_mixture_bound(self.v, alpha / 2, _TIGHT_SPREAD, 1.0, alpha / 2) / self.n
        mean = self.total / self.n
        return max(mean - reach, 0.0), min(mean + reach, 1.0)

    def to_doc(self) -> list[Any]:
        """As JSON-safe values."""
        return [self.n, self.total, self.v]
