"""One arm against a fixed rate: do more (for promotion: fewer) than a share q of the candidate's requests go wrong?

Neighbours: guards.py uses it for absolute limits and, without a concurrent baseline, against the record.
Source: a truncated beta mixture (ANALYSIS.md); the truncation keeps the mean at most 1 for every rate within the limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import betaincc, betaln

from tidegate.analysis.counts import GRID, LOG_W, POINTS
from tidegate.analysis.dispersion import reach
from tidegate.analysis.restarts import LOG_FIRST, log_weight, unspent

_K = 20.0
_TINY = 1e-280


def log_e(n: int, k: int, q: float) -> float:
    """log E against `rate <= q` after k events in n requests; `-inf` never, NaN never, stable at n = 10^9.

    `E = B(a+k, b+n-k) SF(q; a+k, b+n-k) / (B(a,b) SF(q; a,b) q^k (1-q)^(n-k))`, a = 20 q, b = 20 (1-q).
    """
    a, b = _K * q, _K * (1 - q)
    start = float(betaln(a, b)) + _log_sf(q, a, b)
    return _log_upper(q, a + k, b + (n - k)) - start - k * math.log(q) - (n - k) * math.log1p(-q)


def _log_sf(q: float, a: float, b: float) -> float:
    return _log_upper(q, a, b) - float(betaln(a, b))


def _log_upper(q: float, a: float, b: float) -> float:
    """log of the integral of x^(a-1) (1-x)^(b-1) from q to 1."""
    share = float(betaincc(a, b, q))
    if share > _TINY:
        return float(betaln(a, b)) + math.log(share)
    return a * math.log(q) + b * math.log1p(-q) - math.log(b) + math.log(_fraction(b, a, 1 - q))


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function I_x(a, b), far in its tail (Lentz; DLMF 8.17.22)."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + step * d)
            c = 1 + step / c
            value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return value


@dataclass(frozen=True, slots=True)
class OneArm:
    """Evidence against `rate <= q` (side +1) or against `rate >= q` (side -1), 0 < q < 1.

    `whole` is the log of the beta mixture since the first batch: the sum of each batch's own step, divided by the phi
    known before it. `renews`: later starts are mixed in (restarts.py); a beta mixture cannot begin anew in bounded state,
    so `logs` are their components at 24 odds beyond q.
    """

    q: float
    side: int = 1
    renews: bool = False
    n: int = 0
    k: int = 0
    whole: float = 0.0
    logs: tuple[float, ...] = (-math.inf,) * POINTS

    def absorb(self, n: int, k: int, *, phi: float = 1.0) -> OneArm:
        """With n requests more, of which k had the event. Raises ValueError on events without requests."""
        if not (0 <= k <= n and phi >= 1):
            raise ValueError(f"not a batch: {k} of {n}, phi {phi}")
        if not n:
            return self
        step = self._whole(self.n + n, self.k + k) - self._whole(self.n, self.k)
        new = replace(self, n=self.n + n, k=self.k + k, whole=self.whole + step / phi)
        if not self.renews:
            return new
        u = self.side * np.minimum(GRID, reach(phi))
        begun = np.logaddexp(self.logs, log_weight(self.n, n))
        logs = begun + (k * u - n * np.log1p(self.q * np.expm1(u))) / phi
        return replace(new, logs=tuple(logs.tolist()))

    @property
    def log_e(self) -> float:
        """log E."""
        if not self.renews:
            return self.whole
        later = float(np.logaddexp.reduce(np.asarray(self.logs) + LOG_W))
        return float(np.logaddexp.reduce([LOG_FIRST + self.whole, later, math.log(unspent(self.n))]))

    def _whole(self, n: int, k: int) -> float:
        return log_e(n, k, self.q) if self.side > 0 else log_e(n, n - k, 1 - self.q)

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        logs = list(self.logs) if self.renews and self.n else []
        return {
            "q": self.q, "side": self.side, "renews": self.renews, "n": self.n, "k": self.k, "whole": self.whole,
            "logs": logs,
        }  # fmt: skip

    @classmethod
    def from_doc(cls, doc: dict[str, Any]) -> OneArm:
        """The test that `to_doc` wrote, also before there were later starts."""
        whole = doc["whole"] if "whole" in doc else doc["log_e"]
        logs = tuple(doc.get("logs", ())) or (-math.inf,) * POINTS
        return cls(doc["q"], doc["side"], doc.get("renews", False), doc["n"], doc["k"], whole, logs)
