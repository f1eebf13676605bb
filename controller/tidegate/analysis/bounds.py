"""Confidence bounds of the stable release's own rate and mean: what "the record" is, once it gets no traffic any more.

Neighbours: guards.py takes a bound once, at the first batch without a concurrent baseline.
"""

from __future__ import annotations

import math

from scipy.special import betaincinv


def rate_upper(n: int, s: int, delta: float, phi: float = 1.0) -> float:
    """Upper 1 - delta bound of a rate after s events in n requests (Clopper and Pearson), on n/phi independent ones."""
    if not n:
        return 1.0
    n_free, s_free = n / phi, s / phi
    return 1.0 if s >= n else float(betaincinv(s_free + 1, n_free - s_free, 1 - delta))


def rate_lower(n: int, s: int, delta: float, phi: float = 1.0) -> float:
    """Lower 1 - delta bound of a rate, likewise."""
    return 1 - rate_upper(n, n - s, delta, phi)


def mean_reach(n: int, delta: float) -> float:
    """How far a mean of n scores in [0, 1] may lie from the truth, one side (Hoeffding)."""
    return math.sqrt(math.log(1 / delta) / (2 * n)) if n else 1.0
