"""What each release answered in the last seconds, for the status and the demo: counts, error share, p95. Never for verdicts.

Neighbours: evidence.py feeds it from the prediction record; the analysis has its own, exact, batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.engine.figures import Sums

WINDOW = 10
KEPT = 2000


@dataclass(slots=True)
class _Second:
    at: int
    requests: int = 0
    errors: int = 0
    durations: list[float] = field(default_factory=list)


class Meter:
    """A sliding window of whole seconds for one release on one route."""

    def __init__(self) -> None:
        self._seconds: deque[_Second] = deque(maxlen=WINDOW)
        self.requests = 0
        self.errors = 0
        self._figures = Sums()

    def add(self, now: float, error: bool, duration_ms: float | None) -> None:
        """One answer, read at `now` (epoch seconds)."""
        second = int(now)
        if not self._seconds or self._seconds[-1].at != second:
            self._seconds.append(_Second(second))
        last = self._seconds[-1]
        last.requests += 1
        last.errors += error
        self.requests += 1
        self.errors += error
        if duration_ms is not None and len(last.durations) < KEPT:
            last.durations.append(duration_ms)

    def tell(self, figures: Mapping[str, float]) -> None:
        """What the answer said of itself (figures.py)."""
        self._figures.add(figures)

    def idle(self, now: float) -> float:
        """Seconds since the last answer."""
        return now - self._seconds[-1].at if self._seconds else float("inf")

    def show(self, now: float, currency: str | None = None) -> Mapping[str, Any]:
        """Requests, errors, tokens, costs since the start; requests a second, error share and p95 in ms over the window.

        A figure that no answer has told is None, and never 0.
        """
        recent = [second for second in self._seconds if second.at >= int(now) - WINDOW]
        requests = sum(second.requests for second in recent)
        errors = sum(second.errors for second in recent)
        durations = sorted(value for second in recent for value in second.durations)
        span = max(1, int(now) - recent[0].at) if recent else 1
        return {
            "requests": self.requests,
            "errors": self.errors,
            **self._figures.show(currency),
            "rate": round(requests / span, 1),
            "error_rate": round(errors / requests, 4) if requests else None,
            "p95_ms": round(durations[int(0.95 * (len(durations) - 1))], 2) if durations else None,
        }
