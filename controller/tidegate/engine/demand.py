"""What all routes together need running. Each route's part is remembered, and reckoned anew when the route was looked at.

A workload that several routes need runs as often as the largest of their needs. Neighbours: rollout/capacity.py says which
releases are hot and how many replicas they take, needs.py makes a need of a release, fleet.py runs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tidegate.engine.need import Need
from tidegate.engine.needs import Needs
from tidegate.rollout.capacity import hot_releases, replicas
from tidegate.rollout.state import Desired, RouteState
from tidegate.spec.errors import TidegateError
from tidegate.spec.model import Model
from tidegate.spec.release import Release, split_route

DRAIN = 30.0
"""Seconds that a server stays after it was last needed, where no policy says otherwise."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One route's: how often each workload, of which release; why some of them cannot be; and for how long they drain."""

    wanted: dict[str, tuple[int, Release]]
    unread: dict[str, TidegateError]
    drain: float
    model: str | None


class Demand:
    """The sum over all routes. Called by the loop alone. `running` counts the instances of a workload that run."""

    def __init__(self, needs: Needs, running: Callable[[str], int]) -> None:
        self._make = needs
        self._running = running
        self._parts: dict[str, _Part] = {}
        self._users: dict[str, dict[str, tuple[int, Release]]] = {}
        self._models: Counter[str] = Counter()
        self._changed: dict[str, None] = {}
        self._unread: set[str] = set()
        self._noted: dict[str, None] = {}
        self._source: dict[str, Release] = {}
        self._known: frozenset[str] | None = None
        self._drain: float | None = None
        self.needs: dict[str, Need] = {}

    @property
    def known(self) -> frozenset[str]:
        """The models that have a route here with anything to serve."""
        if self._known is None:
            self._known = frozenset(self._models)
        return self._known

    @property
    def drain(self) -> float:
        """Seconds that a server stays after it was last needed: the longest that any route's policy says."""
        if self._drain is None:
            self._drain = max((one.drain for one in self._parts.values()), default=DRAIN)
        return self._drain

    def unread(self) -> dict[str, TidegateError]:
        """By workload, why the declaration of a release cannot be read, or cannot be run here."""
        return {
            workload: error for route in sorted(self._unread) for workload, error in self._parts[route].unread.items()
        }

    def note(self, routes: Iterable[str], learnt: Iterable[str]) -> None:
        """These routes, or those that need these workloads, may need something else than before."""
        self._noted |= dict.fromkeys(routes)
        self._noted |= dict.fromkeys(sorted(route for one in learnt for route in self._users.get(one, ())))

    def due(self) -> list[str]:
        """The routes to `look` at: those noted since the last call, and those of which something could not be read."""
        noted, self._noted = self._noted, {}
        return list(noted | dict.fromkeys(sorted(self._unread)))

    def changed(self) -> list[str]:
        """The workloads whose needs have changed since the last call, in order."""
        changed, self._changed = list(self._changed), {}
        return changed

    def look(self, state: RouteState, wish: Desired | None, drain: float | None) -> TidegateError | None:
        """Reckon a route's part. `wish` is git's, `drain` that of the policy that git names. Returns why part of it is unread."""
        unread: dict[str, TidegateError] = {}
        wanted: dict[str, tuple[int, Release]] = {}
        numbers = replicas(state, wish.replicas if wish else None, self._running)
        for release in hot_releases(state):
            known = wanted.get(release.workload)
            wanted[release.workload] = (numbers[release.workload], known[1] if known else release)
        for workload, (number, release) in list(wanted.items()):
            try:
                self._read(state.route, workload, number, release)
            except TidegateError as error:
                if workload not in self.needs:  # else it was read at another commit: the same digest declares the same
                    unread[workload] = error
                    del wanted[workload]
        lives = state.stable or state.candidate or state.retired
        part = _Part(wanted, unread, DRAIN if drain is None else drain, split_route(state.route)[0] if lives else None)
        self._put(state.route, part)
        return next(iter(unread.values()), None)

    def _read(self, route: str, workload: str, number: int, release: Release) -> None:
        """Know how a workload is run: as the first of the routes that need it declares it. Raises what `Needs.of` raises."""
        first = next(iter(self._users.get(workload, ())), route)
        if self._source.get(workload) != release and (first == route or workload not in self.needs):
            self.needs[workload] = self._make.of(release, number)
            self._source[workload] = release
            self._changed[workload] = None

    def forget(self, route: str) -> None:
        """The route is no more."""
        self._noted.pop(route, None)
        self._put(route, None)

    def _put(self, route: str, part: _Part | None) -> None:
        before = self._parts.pop(route, None)
        if part is not None:
            self._parts[route] = part
        (self._unread.add if part is not None and part.unread else self._unread.discard)(route)
        old, new = (one.wanted if one is not None else {} for one in (before, part))
        for workload in {**old, **new}:
            if old.get(workload) != new.get(workload):
                self._sum(workload, route, new.get(workload))
        models = tuple(one.model if one is not None else None for one in (before, part))
        if models[0] != models[1]:
            self._count(*models)
        if before is None or part is None or before.drain != part.drain:
            self._drain = None

    def _sum(self, workload: str, route: str, wanted: tuple[int, Release] | None) -> None:
        users = self._users.setdefault(workload, {})
        if wanted is not None:
            users[route] = wanted
        else:
            users.pop(route, None)
        if not users:
            del self._users[workload]
            del self.needs[workload], self._source[workload]
            self._changed[workload] = None
            return
        most = max(number for number, _ in users.values())
        if self.needs[workload].replicas != most:
            self.needs[workload] = replace(self.needs[workload], replicas=most)
            self._changed[workload] = None

    def _count(self, before: str | None, now: str | None) -> None:
        for model, by in ((before, -1), (now, 1)):
            if model is not None:
                self._models[model] += by
                if self._models[model] == 0:
                    del self._models[model]
                if self._models[model] <= 1:
                    self._known = None


def drain_of(wish: Desired | None, model: Model | None) -> float | None:
    """Seconds that a server goes on after it was last needed: the policy's, and no less than an answer may take by the model's

    file, where that says so. None: git says nothing of the route.
    """
    if wish is None:
        return None
    said = model is not None and "timeout" in model.model_fields_set
    return max(wish.policy.drain, model.timeout) if model is not None and said else wish.policy.drain
