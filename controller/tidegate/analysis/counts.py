"""The in-batch counts e-process: are the candidate's events (errors, slow answers) more than `ratio` times stable's?

Neighbours: dispersion.py guards it against bursts, restarts.py has the weights of later starts, rates.py feeds it.
Source: Lindon and Malek (NeurIPS 2022), made batch-wise; formulas in ANALYSIS.md and docs/design/analysis.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from tidegate.analysis.dispersion import reach
from tidegate.analysis.restarts import LOG_FIRST, log_weight, unspent

Floats = NDArray[np.float64]

POINTS = 24
GRID: Floats = np.linspace(math.log(1.05), math.log(50.0), POINTS)
"""Log rate ratios beyond the limit that are bet on, and the logs of their weights, which sum to 1."""
LOG_W: Floats = -(GRID**2) / 2 - float(np.logaddexp.reduce(-(GRID**2) / 2))
COMMON = 0.02
"""From this baseline rate on events count as common, and the exact Fisher form is used."""
COMMON_AFTER = 100
"""Baseline requests that must have been seen before a rate may be called common."""
_WIDE = 4096
_DEEP = 12.0


def log_lr(u: Floats, n_c: int, s_c: int, n_b: int, s_b: int, ratio: float) -> Floats:
    """log LR of one batch at log rate ratios `u` above `ratio`: `s_c (u - D) - s_b D` (binomial form).

    n: requests, s: events; c: candidate, b: stable. Its mean is at most 1 whenever p_c <= ratio p_b (u > 0), or
    p_c >= ratio p_b (u < 0), for independent outcomes of any rate: E[x^s] <= exp(n p (x - 1)).
    """
    base = math.log(n_c * ratio + n_b)
    d = np.logaddexp(math.log(n_c) + math.log(ratio) + u, math.log(n_b)) - base
    result: Floats = s_c * (u - d) - s_b * d
    return result


def fisher_log_lr(u: Floats, n_c: int, s_c: int, n_b: int, s_b: int, odds: float) -> Floats:
    """log LR of one batch given its total of events: `u s_c - log Z(w e^u) + log Z(w)`, w = `odds`, u log odds ratios.

    Exact (mean 1 at the odds ratio `odds`), which the binomial form is not when events are common.
    """
    log_w = math.log(odds)
    z = _log_z(n_c, n_b, s_c + s_b, np.concatenate(([log_w], log_w + u)))
    result: Floats = u * s_c - z[1:] + z[0]
    return result


def _log_z(n_c: int, n_b: int, total: int, log_w: Floats) -> Floats:
    """log of sum_s C(n_c, s) C(n_b, total - s) w^s, the whole support, or all that matters of a very wide one."""
    low, high = max(0, total - n_b), min(n_c, total)
    if high - low <= _WIDE:
        s = np.arange(low, high + 1, dtype=np.float64)
        terms = _log_choose(n_c, s) + _log_choose(n_b, total - s)
        whole: Floats = np.asarray(
            np.logaddexp.reduce(terms[None, :] + log_w[:, None] * s[None, :], axis=1), dtype=np.float64
        )
        return whole
    values = []
    for w in log_w:
        mode = _mode(n_c, n_b, total, float(w), low, high)
        spread = 1 / sum(1 / (part + 1) for part in (mode, n_c - mode, total - mode, n_b - total + mode))
        reach = int(_DEEP * math.sqrt(spread)) + 50
        s = np.arange(max(low, mode - reach), min(high, mode + reach) + 1, dtype=np.float64)
        values.append(float(logsumexp(_log_choose(n_c, s) + _log_choose(n_b, total - s) + w * s)))
    return np.array(values)


def _log_choose(n: int, k: Floats) -> Floats:
    result: Floats = gammaln(n + 1.0) - gammaln(k + 1) - gammaln(n - k + 1)
    return result


def _mode(n_c: int, n_b: int, total: int, log_w: float, low: int, high: int) -> int:
    """Where the terms of Z are largest: they are log-concave in s, so by bisection on the sign of their step."""
    while low < high:
        s = (low + high) // 2
        step = log_w + math.log(n_c - s) + math.log(total - s) - math.log(s + 1) - math.log(n_b - total + s + 1)
        if step > 0:
            low = s + 1
        else:
            high = s
    return low


def odds_limit(ratio: float, side: int, rate_upper: float) -> float | None:
    """The odds ratio that stands for a rate ratio, never on the harmful side of it; None when there is none.

    `ratio (1 - p)/(1 - ratio p)` lies beyond `ratio` itself, so `ratio` is the careful choice where it is on the safe
    side; elsewhere it is taken at an upper bound of stable's rate.
    """
    if ratio == 1.0 or (ratio > 1.0) == (side < 0):
        return ratio
    if ratio * rate_upper > 0.95 or rate_upper > 0.95:
        return None
    return ratio * (1 - rate_upper) / (1 - ratio * rate_upper)


@dataclass(frozen=True, slots=True)
class CountsTest:
    """Evidence against `p_c <= ratio p_b` (side +1) or against `p_c >= ratio p_b` (side -1, for promotion).

    `logs` are the log components at the 24 points; the counters are of the batches in which both arms had traffic.
    `expected` is the sum of n_c s_b / n_b: stable's events had it had the candidate's share of every batch.
    `renews`: later starts are mixed in (restarts.py), as the evidence for a rollback wants it.
    """

    ratio: float
    side: int = 1
    renews: bool = False
    logs: tuple[float, ...] = (0.0,) * POINTS
    n_c: int = 0
    s_c: int = 0
    n_b: int = 0
    s_b: int = 0
    expected: float = 0.0

    def absorb(
        self, n_c: int, s_c: int, n_b: int, s_b: int, *, phi: float = 1.0, odds: float | None = None
    ) -> CountsTest:
        """With one batch more. `phi` (known before it) divides its evidence; with `odds` the Fisher form is used.

        A batch in which one arm had no traffic is left out. Raises ValueError on events without requests.
        """
        if not (0 <= s_c <= n_c and 0 <= s_b <= n_b and phi >= 1):
            raise ValueError(f"not a batch: {s_c} of {n_c} against {s_b} of {n_b}, phi {phi}")
        if not n_c or not n_b:
            return self
        u = self.side * np.minimum(GRID, reach(phi))
        step = log_lr(u, n_c, s_c, n_b, s_b, self.ratio) if odds is None else fisher_log_lr(u, n_c, s_c, n_b, s_b, odds)
        logs: Floats = np.asarray(self.logs)
        if self.renews:
            logs = np.logaddexp(logs + (0.0 if self.n_c else LOG_FIRST), log_weight(self.n_c, n_c))
        logs = logs + step / phi
        return replace(
            self,
            logs=tuple(logs.tolist()),
            n_c=self.n_c + n_c,
            s_c=self.s_c + s_c,
            n_b=self.n_b + n_b,
            s_b=self.s_b + s_b,
            expected=self.expected + n_c * s_b / n_b,
        )

    @property
    def log_e(self) -> float:
        """log E, the mixture over the 24 points (and over the starts)."""
        mixed = float(np.logaddexp.reduce(np.asarray(self.logs) + LOG_W))
        return float(np.logaddexp(mixed, math.log(unspent(self.n_c)))) if self.renews and self.n_c else mixed

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values; floats keep every bit through `json`."""
        return {
            "ratio": self.ratio, "side": self.side, "renews": self.renews, "logs": list(self.logs), "n_c": self.n_c,
            "s_c": self.s_c, "n_b": self.n_b, "s_b": self.s_b, "expected": self.expected,
        }  # fmt: skip

    @classmethod
    def from_doc(cls, doc: dict[str, Any]) -> CountsTest:
        """The test that `to_doc` wrote, also before there were later starts."""
        return cls(**{**doc, "logs": tuple(doc["logs"])})
