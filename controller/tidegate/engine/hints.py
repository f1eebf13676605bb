"""Why the loop should look again before its timer says so. A hint may be lost or doubled: the timer is the truth.

Git watchers, the webhook, the runtime's events and finished jobs set them from their own threads.
"""

from __future__ import annotations

import threading
from enum import StrEnum


class Hint(StrEnum):
    """Where something may have changed."""

    GIT = "git"
    RUNTIME = "runtime"
    WORK = "work"
    STOP = "stop"


class Hints:
    """A set of hints that can be waited for. Thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._hints: set[Hint] = set()

    def give(self, hint: Hint) -> None:
        """Leave a hint and wake the loop."""
        with self._condition:
            self._hints.add(hint)
            self._condition.notify_all()

    def take(self, timeout: float) -> set[Hint]:
        """Wait at most `timeout` seconds for a hint; returns and clears all there are."""
        with self._condition:
            if not self._hints:
                self._condition.wait(timeout)
            hints, self._hints = self._hints, set()
            return hints
