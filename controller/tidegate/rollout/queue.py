"""At most so many rollouts at once: whose turn it is, first come, first served. Pure.

A rollout is a candidate beside a stable release that may get traffic; first releases and ways back never wait.
Neighbours: the engine asks for each route in each pass, holding.py makes those that wait hold (`queued`).
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.rollout.state import Hold, RouteState

NAMED = 3


class Turns:
    """The rollouts under way and those that wait, as of the states given; `note` keeps it true while routes advance.

    `at_once` None: any number.
    """

    def __init__(self, states: Mapping[str, RouteState], at_once: int | None) -> None:
        self._at_once = at_once
        self._under_way: set[str] = set()
        self._waiting: dict[str, float] = {}
        for route, state in states.items() if at_once is not None else ():
            self.note(route, state)

    def note(self, route: str, state: RouteState) -> None:
        """This route's state now."""
        if self._at_once is None:
            return
        candidate = state.candidate
        self._under_way.discard(route)
        self._waiting.pop(route, None)
        if candidate is None or candidate.fast or state.stable is None:
            return
        if candidate.hold is Hold.QUEUED:
            self._waiting[route] = candidate.started_at
        else:
            self._under_way.add(route)

    def why_not(self, route: str) -> str:
        """Why a rollout of this route must not begin now, in words; '' when it may."""
        if self._at_once is None or route in self._under_way:
            return ""
        free = self._at_once - len(self._under_way)
        if free > 0 and sum(self._earlier(other, route) for other in self._waiting if other != route) < free:
            return ""
        names = sorted(self._under_way)
        shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        return f"{len(names)} of {self._at_once} rollouts are under way ({shown}): it waits for its turn"

    def _earlier(self, other: str, route: str) -> bool:
        mine = self._waiting.get(route)
        return mine is None or (self._waiting[other], other) < (mine, route)
