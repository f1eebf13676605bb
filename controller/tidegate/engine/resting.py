"""Which routes a pass looks at: those in motion, and those with something new since a pass last changed nothing there.

A route rests on four things: its state, what git asks of it, how ready its workloads are, and the time until which that is
so. The first two are told by `wake`, the third by `learnt`, the fourth is an alarm; so what rests cannot be out of date.
Neighbours: rollout/rest.py says what is at rest, routes.py wakes, deciding.py asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tidegate.engine.alarms import Alarms
from tidegate.rollout.rest import rests_until
from tidegate.rollout.state import Readiness, RouteState, Seen
from tidegate.rollout.traffic import hot


class Resting:
    """The routes that are awake, and on what the others rest. Called by the loop alone. `order`: a route's place."""

    def __init__(self, order: Callable[[str], int]) -> None:
        self._awake: set[str] = set()
        self._order = order
        self._rests: dict[str, dict[str, Readiness | None]] = {}
        self._by_workload: dict[str, set[str]] = {}
        self._alarms = Alarms()

    def wake(self, routes: Iterable[str]) -> None:
        """Something that these depend on may be another."""
        for route in routes:
            self._rise(route)
            self._awake.add(route)

    def learnt(self, workloads: Iterable[str], ready: Mapping[str, Readiness]) -> None:
        """Something was learnt of these workloads: who rests on another readiness than the present one wakes."""
        for workload in workloads:
            users = self._by_workload.get(workload, ())
            self.wake([route for route in users if self._rests[route][workload] is not ready.get(workload)])

    def ring(self, now: float) -> None:
        """Those whose time has come wake. `now` in epoch seconds."""
        self.wake(self._alarms.due(now))

    def awake(self) -> list[str]:
        """The routes to look at, in order."""
        return sorted(self._awake, key=self._order)

    def passed(self, before: RouteState, after: RouteState, seen: Seen) -> None:
        """A pass has been over this route: from now on it rests, if nothing changed and it is at rest."""
        until = rests_until(after, seen.desired, gone=seen.gone) if after is before or after == before else None
        if until is None:
            return
        route, on = after.route, {workload: seen.ready.get(workload) for workload in hot(after)}
        self._awake.discard(route)
        self._rests[route] = on
        for workload in on:
            self._by_workload.setdefault(workload, set()).add(route)
        self._alarms.set(route, until)

    def forget(self, route: str) -> None:
        """The route is no more."""
        self._rise(route)
        self._awake.discard(route)

    def _rise(self, route: str) -> None:
        on = self._rests.pop(route, None)
        if on is None:
            return
        self._alarms.drop(route)
        for workload in on:
            users = self._by_workload[workload]
            users.discard(route)
            if not users:
                del self._by_workload[workload]
