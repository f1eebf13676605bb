"""Sample-ratio mismatch: do the arms see the requests that the declared weights promise? If not, no comparison holds.

Neighbours: judge.py declares the verdict invalid. Sequential: valid however often it is looked at.
Only for shares drawn per request: with sticky users the share of requests is not the weight, and `share` must be None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.001
_SIDE = np.linspace(0.05, 2.0, 10)
_SHIFTS: NDArray[np.float64] = np.concatenate((-_SIDE, _SIDE))


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Evidence that the candidate's share of the requests is not the declared one.

    A mixture over shifts v of the log odds: `log LR = n_c v - n log(1 - share + share e^v)`, whose mean is 1.
    """

    logs: tuple[float, ...] = (0.0,) * len(_SHIFTS)
    n_c: int = 0
    n: int = 0
    expected: float = 0.0

    def absorb(self, n_c: int, n: int, share: float | None) -> SampleRatio:
        """With one batch more: n_c of n requests went to the candidate. Unchanged without a share inside (0, 1)."""
        if share is None or not 0 < share < 1 or not n:
            return self
        step = n_c * _SHIFTS - n * np.log1p(share * np.expm1(_SHIFTS))
        logs: NDArray[np.float64] = np.asarray(self.logs) + step
        return replace(
            self, logs=tuple(logs.tolist()), n_c=self.n_c + n_c, n=self.n + n, expected=self.expected + n * share
        )

    @property
    def log_e(self) -> float:
        """log E."""
        return float(np.logaddexp.reduce(np.asarray(self.logs))) - math.log(len(_SHIFTS))

    @property
    def mismatch(self) -> bool:
        """Is the split something else than what was declared?"""
        return self.log_e >= math.log(1 / ALPHA)

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {"logs": list(self.logs), "n_c": self.n_c, "n": self.n, "expected": self.expected}

    @classmethod
    def from_doc(cls, doc: dict[str, Any]) -> SampleRatio:
        """The test that `to_doc` wrote."""
        return cls(**{**doc, "logs": tuple(doc["logs"])})
