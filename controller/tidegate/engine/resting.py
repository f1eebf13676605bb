"""Which routes a pass may leave out, because the pass before has shown that nothing would come of looking at them.

Neighbours: rollout/rest.py says what moves a route, loop.py asks this for each route of each pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.rollout.rest import rests_until
from tidegate.rollout.state import Desired, Readiness, RouteState
from tidegate.rollout.traffic import hot


@dataclass(frozen=True, slots=True)
class _Rest:
    state: RouteState
    wish: Desired | None
    workloads: tuple[str, ...]
    ready: tuple[Readiness | None, ...]
    until: float


class Resting:
    """The routes at rest, each with what it rests on. Called by the loop alone."""

    def __init__(self) -> None:
        self._rests: dict[str, _Rest] = {}

    def rests(self, state: RouteState, wish: Desired | None, ready: Mapping[str, Readiness], now: float) -> bool:
        """Whether all is as it was when a pass last changed nothing here."""
        rest = self._rests.get(state.route)
        if rest is None or rest.state is not state or rest.wish is not wish or now >= rest.until:
            return False
        return rest.ready == tuple(ready.get(workload) for workload in rest.workloads)

    def passed(
        self, before: RouteState, after: RouteState, wish: Desired | None, ready: Mapping[str, Readiness]
    ) -> None:
        """A pass has been over this route: from now on it rests, if nothing changed and it is at rest."""
        until = rests_until(after, wish) if after is before or after == before else None
        if until is None:
            self._rests.pop(before.route, None)
            return
        workloads = tuple(hot(after))
        self._rests[before.route] = _Rest(after, wish, workloads, tuple(ready.get(w) for w in workloads), until)

    def forget(self, route: str) -> None:
        """The route is no more."""
        self._rests.pop(route, None)
