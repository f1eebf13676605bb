"""What probes and exits said about one instance: readiness with a little inertia, restarts with growing pauses."""

from __future__ import annotations

from dataclasses import dataclass

FAST = 0.2
UNREADY_AFTER = 3
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
MOST_DOUBLINGS = 4


@dataclass(slots=True)
class Health:
    """One run of one instance, told apart by the engine's `ref`. Ready by one good answer, unready after three bad ones.

    `seen_at`: when this controller first saw it; it may have run for long before that. `asked_at`: when the last probe was
    sent; `void` while one is out that was sent before what is known became old. All times in seconds of the controller's own
    clock, which nobody sets.
    """

    ref: str
    seen_at: float = 0.0
    asked_at: float = 0.0
    void: bool = False
    ready: bool = False
    ever_ready: bool = False
    answered: bool = False
    failures: int = 0
    reason: str = ""
    next_at: float = 0.0

    def doubt(self, now: float) -> None:
        """What was known is old: it has to be asked anew, and at once. Time in which nobody asked is no time to get ready in."""
        self.answered, self.next_at, self.failures, self.void = False, 0.0, 0, True
        self.seen_at = self.seen_at if self.ever_ready else now

    def due(self, now: float) -> bool:
        """True when it is time for the next probe."""
        return now >= self.next_at

    @property
    def settled(self) -> bool:
        """Whether it is known: one good answer says so, or as many bad ones as make a ready one unready."""
        return self.ready or self.failures >= UNREADY_AFTER

    def took(self, ok: bool, reason: str, now: float, calm: float) -> bool:
        """Take in one answer. True when the readiness changed. `calm`: seconds until the next probe while all is well."""
        before = self.ready
        self.answered = True
        self.reason = reason
        if ok:
            self.failures = 0
            self.ready = self.ever_ready = True
        else:
            self.failures += 1
            self.ready = self.ready and self.failures < UNREADY_AFTER
        self.next_at = now + (calm if self.ready and ok else FAST)
        return before != self.ready


@dataclass(slots=True)
class Crashes:
    """How often an instance ended by itself, and when it may start again (seconds, doubling).

    `overdue`: how often it was ended since it was not ready in time.
    """

    count: int = 0
    overdue: int = 0
    not_before: float = 0.0
    last_ref: str = ""

    def saw(self, ref: str, now: float) -> bool:
        """Count one ended run. False when this run was counted before."""
        if ref == self.last_ref:
            return False
        self.last_ref = ref
        self.count += 1
        pause = 0.0 if self.count == 1 else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.count - 2))
        self.not_before = now + pause
        return True

    def patience(self, budget: float) -> float:
        """Seconds that the next start may take: a server that is needed and slow, say after a reboot, gets there."""
        return float(budget * 2 ** min(self.overdue, MOST_DOUBLINGS))
