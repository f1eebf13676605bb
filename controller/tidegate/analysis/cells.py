"""One arm's running sums in one window, by request or by session; and the retries that are no requests of their own.

Neighbours: batches.py fills them from the prediction record; latency.py has the buckets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.analysis.latency import add, histogram, pack, unpack
from tidegate.analysis.model import Arm
from tidegate.analysis.outcomes import score

Scores = dict[str, list[float]]


@dataclass(slots=True)
class Cell:
    """`durations` (ms) become a histogram when somebody asks. `sessions`: what each session's requests came to so far."""

    requests: int = 0
    errors: int = 0
    durations: list[float] = field(default_factory=list)
    cells: tuple[int, ...] = ()
    scores: Scores = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    def take(self, failed: bool, duration: float, metrics: Mapping[str, Any] | None) -> None:
        """One request."""
        self.requests += 1
        self.errors += failed
        self.durations.append(duration)
        if metrics:
            for name, value in metrics.items():
                self.scores.setdefault(name, []).append(score(value))

    def take_in(self, session: str, failed: bool, duration: float, metrics: Mapping[str, Any] | None) -> None:
        """One request of a session: the session is what counts."""
        self.sessions.setdefault(session, Session()).take(failed, duration, metrics)

    def arm(self) -> Arm:
        """The outcomes so far."""
        if self.durations:
            self.cells = add(self.cells, histogram(self.durations))
            self.durations = []
        if not self.sessions:
            return Arm(self.requests, self.errors, self.cells, {name: tuple(v) for name, v in self.scores.items()})
        whole = Cell(self.requests, self.errors, [], self.cells, {name: list(v) for name, v in self.scores.items()})
        for session in self.sessions.values():
            whole.take(session.failed, session.slowest, session.means)
        return whole.arm()

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        if self.durations:
            self.cells = add(self.cells, histogram(self.durations))
            self.durations = []
        doc = {"requests": self.requests, "errors": self.errors, "latency": pack(self.cells), "scores": self.scores}
        if self.sessions:
            doc["sessions"] = [[name, s.failed, s.slowest, s.sums] for name, s in self.sessions.items()]
        return doc

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Cell:
        """The cell that `to_doc` wrote."""
        scores = {name: list(values) for name, values in doc["scores"].items()}
        sessions = {
            name: Session(failed, slowest, {metric: (n, total) for metric, (n, total) in sums.items()})
            for name, failed, slowest, sums in doc.get("sessions", ())
        }
        return cls(doc["requests"], doc["errors"], [], unpack(doc["latency"]), scores, sessions)


@dataclass(slots=True)
class Session:
    """A session within one window: failed when any of its requests did, as slow as its slowest, its scores' means."""

    failed: bool = False
    slowest: float = 0.0
    sums: dict[str, tuple[int, float]] = field(default_factory=dict)

    def take(self, failed: bool, duration: float, metrics: Mapping[str, Any] | None) -> None:
        """One request more."""
        self.failed |= failed
        self.slowest = max(self.slowest, duration)
        for name, value in (metrics or {}).items():
            n, total = self.sums.get(name, (0, 0.0))
            self.sums[name] = (n + 1, total + score(value))

    @property
    def means(self) -> dict[str, float]:
        """The mean of each metric; NaN, an invalid output, if one was."""
        return {name: total / n for name, (n, total) in self.sums.items()}


class Retries:
    """Requests of one arm that failed lately, by id: the same id again is a retry, and its request has failed already.

    Of the last KEPT failures, and at most ATTEMPTS of one id: a client that gives all its requests one id is not retrying.
    """

    KEPT = 1024
    ATTEMPTS = 5

    def __init__(self, failed: Mapping[str, int] | None = None) -> None:
        self._failed = dict(failed or {})

    def __bool__(self) -> bool:
        return bool(self._failed)

    def is_retry(self, request_id: object) -> bool:
        """Whether this request was counted already, as the failure that it repeats."""
        seen = self._failed.get(request_id) if isinstance(request_id, str) else None
        if seen is None or seen >= self.ATTEMPTS or not isinstance(request_id, str):
            return False
        self._failed[request_id] = seen + 1
        return True

    def failed(self, request_id: object) -> None:
        """A request with this id failed."""
        if isinstance(request_id, str) and request_id not in self._failed:
            self._failed[request_id] = 1
            if len(self._failed) > self.KEPT:
                del self._failed[next(iter(self._failed))]

    def to_doc(self) -> dict[str, int]:
        """As JSON-safe values."""
        return dict(self._failed)
