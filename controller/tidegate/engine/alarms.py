"""When to look again at what needs no looking at before: one moment a name. Neighbours: fleet.py, resting.py."""

from __future__ import annotations

import heapq
import math


class Alarms:
    """Names with the moment at which each is due, in seconds of whatever clock the caller has."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def set(self, name: str, at: float) -> None:
        """Due then, in place of any moment before. Infinity: never."""
        if math.isinf(at):
            self._at.pop(name, None)
        elif self._at.get(name) != at:
            self._at[name] = at
            heapq.heappush(self._heap, (at, name))

    def drop(self, name: str) -> None:
        """Never due any more."""
        self._at.pop(name, None)

    def due(self, now: float) -> list[str]:
        """The names whose moment has come, earliest first; each is told once."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            at, name = heapq.heappop(self._heap)
            if self._at.get(name) == at:
                del self._at[name]
                found.append(name)
        return found
