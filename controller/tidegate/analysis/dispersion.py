"""The dispersion guard: errors come in bursts, and evidence that counts each of them as independent is overstated.

Neighbours: counts.py and onearm.py divide every log LR by the phi of the batch before (E^(1/phi) has a mean of at most 1
too), and bet on no larger effect than `reach` allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

SETTLED = 20
"""Batches of the stable release after which its own phi is believed; until then at least the start value holds."""
_FORGET = 1 - 1 / 256
_JUMP = 25.0
_DOUBT = 6.0


def reach(phi: float) -> float:
    """The largest log rate ratio that may be bet on at a dispersion of `phi`; infinite at 1.

    For bursts of geometric length with mean m, phi = 2m - 1, the mean of `exp(u s/phi)` exists only below
    `phi log(m/(m - 1))`. Up to 0.75 of that it grows at most 1.75 times as fast as for single events.
    """
    return 0.75 * phi * math.log((phi + 1) / (phi - 1)) if phi > 1 + 1e-9 else math.inf


@dataclass(frozen=True, slots=True)
class Dispersion:
    """phi >= 1 from the stable release's past batches: `sum (p_t - p_t-1)^2 / sum p (1 - p) (1/n_t + 1/n_t-1)`.

    p is pooled over each pair of neighbours, a pair weighs less the older it is (half after 177 batches), and none
    counts for more than 25 times its expected variance (or 4 phi): one jump of the whole world's error rate must not
    dull the guardrail for the rest of the rollout. `start` is phi until 20 batches were seen.

    Bursts are rare and long, so a first look at them is mostly too low: what is seen beyond half a standard error above 1
    counts for more while it rests on few events, `6/sqrt(events + 1)` times more. Not where `start` is 1: what is spread by
    construction has no bursts to be doubted.
    """

    start: float = 2.0
    batches: int = 0
    top: float = 0.0
    bottom: float = 0.0
    n: int = 0
    s: int = 0
    events: float = 0.0

    def absorb(self, n: int, s: int) -> Dispersion:
        """With one batch of the stable release more: n requests, s events. Nothing changes without requests."""
        if not n:
            return self
        top, bottom = self.top, self.bottom
        if self.n:
            p = (s + self.s) / (n + self.n)
            expected = p * (1 - p) * (1 / n + 1 / self.n)
            seen = min((s / n - self.s / self.n) ** 2, max(_JUMP, 4 * self.phi) * expected)
            top, bottom = top * _FORGET + seen, bottom * _FORGET + expected
        events = self.events * _FORGET + min(s, n - s)
        return replace(self, batches=self.batches + 1, top=top, bottom=bottom, n=n, s=s, events=events)

    @property
    def phi(self) -> float:
        """How many times wider than independent outcomes; never below 1."""
        seen = max(1.0, self.top / self.bottom if self.bottom > 0 else 1.0)
        pairs = (1 - _FORGET ** max(self.batches - 1, 1)) / (1 - _FORGET)
        error = math.sqrt(2 / pairs + 1 / max(self.events, 0.5))
        doubt = _DOUBT * (self.start - 1.0) / math.sqrt(self.events + 1.0)
        seen += doubt * max(seen - 1.0 - error / 2, 0.0)
        return max(seen, self.start if self.batches < SETTLED else 1.0)

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {name: getattr(self, name) for name in ("start", "batches", "top", "bottom", "n", "s", "events")}

    @classmethod
    def from_doc(cls, doc: dict[str, Any]) -> Dispersion:
        """The guard that `to_doc` wrote."""
        return cls(**doc)
