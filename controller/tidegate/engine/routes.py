"""The states of all routes in memory, in step with the journal: where a route begins, and where it ends.

A route begins from the journal, else from its promoted ref in git (a rebuilt host), else from its model (a feature), else
empty. Every change of a state goes through `put`, and wakes its route. Neighbours: deciding.py advances them, resting.py
says which a pass looks at, rollout/ decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from tidegate.engine.resting import Resting
from tidegate.engine.source import Remembered, Snapshot
from tidegate.rollout.features import born, homeward, joined
from tidegate.rollout.state import Desired, GitDuty, Rejection, RouteState
from tidegate.spec.release import split_route


class Routes:
    """All route states, and what git wishes of each. Called by the loop alone."""

    def __init__(
        self, states: Mapping[str, RouteState], ended: Mapping[str, tuple[Rejection, ...]] | None = None
    ) -> None:
        """`ended`: by route that ended earlier, what was rejected on it."""
        self._states: dict[str, RouteState] = {}
        self._numbers: dict[str, int] = {}
        self._count = itertools.count()
        self._ended = dict(ended or {})
        self._seen = Snapshot()
        self._waiting: list[str] = []
        self.owing: dict[str, None] = {}  # in order: who has anything that git is yet to be told
        self.resting = Resting(self._numbers.__getitem__)
        for state in states.values():
            self.put(state)

    @property
    def states(self) -> Mapping[str, RouteState]:
        """All of them, in the order in which they began."""
        return self._states

    def put(self, state: RouteState) -> None:
        """A route's state from now on."""
        if state.route not in self._states:
            self._numbers[state.route] = next(self._count)
        self._states[state.route] = state
        if state.duties:
            self.owing[state.route] = None
        else:
            self.owing.pop(state.route, None)
        self.resting.wake([state.route])

    def begin(self, snapshot: Snapshot, remembered: Remembered) -> list[str]:
        """Give every route that git asks for a state. Returns the new ones."""
        self._look(snapshot)
        new: list[str] = []
        for route in self._waiting:
            state = self._first_state(route, remembered, new)
            if state is not None:
                self.put(state)
                new.append(route)
                self._remember(route)
        if new:
            self._waiting = [route for route in self._waiting if route not in self._states]
        return new

    def _look(self, snapshot: Snapshot) -> None:
        """Another commit: who is asked for something else wakes, and who is asked for the first time waits for its state.

        What a commit leaves as it was is the same object in its snapshot as in the one before.
        """
        if snapshot is self._seen:
            return
        before, self._seen = self._seen, snapshot
        old, new = before.declared.models, snapshot.declared.models
        for route in self._states:
            model, _ = split_route(route)
            same = snapshot.desired.get(route) is before.desired.get(route) and new.get(model) is old.get(model)
            if not same or model not in snapshot.desired:  # gone, if the commit asks for anything else
                self.resting.wake([route])
        asked = (route for route, found in snapshot.desired.items() if isinstance(found, Desired))
        self._waiting = sorted(route for route in asked if route not in self._states)

    def _first_state(self, route: str, remembered: Remembered, new: Collection[str]) -> RouteState | None:
        """None when it has to wait: for its model's route, or for a person, where what was promoted cannot be read.

        A feature of a model whose route is known already gets its override just now: what its own route promoted in
        earlier days, before it followed its model again, is over.
        """
        model, feature = split_route(route)
        rejected = self._ended.get(route) or remembered.rejected.get(route, ())
        if feature is None or model in new:
            release = remembered.promoted.get(route)
            if release is not None:  # promoted when a newer commit tried it again: what was said before is over
                rejected = tuple(one for one in rejected if one.digest != release.digest)
                return RouteState(route, stable=release, promoted=(release,), rejected=rejected)
            if route in remembered.lost:
                return None
        if feature is None:
            return RouteState(route, rejected=rejected)
        parent = self._states.get(model)
        return replace(born(route, parent), rejected=rejected) if parent and parent.stable else None

    def _remember(self, route: str) -> None:
        """A feature that has a route again: its promoted ref is its own again, so nobody has to take it back."""
        parent = self._states.get(split_route(route)[0])
        if parent is not None and any(duty.route == route for duty in parent.duties):
            kept = tuple(duty for duty in parent.duties if duty.route != route)
            self.put(replace(parent, duties=kept))

    def wish(self, snapshot: Snapshot, route: str) -> Desired | None:
        """What git asks of a route; a feature whose override is gone is asked to follow its model."""
        if not self.homeward(snapshot, route):
            return snapshot.wish(route)
        model, _ = split_route(route)
        of_model, parent = snapshot.wish(model), self._states.get(model)
        return homeward(parent, of_model) if of_model is not None and parent is not None else None

    def homeward(self, snapshot: Snapshot, route: str) -> bool:
        """Whether this is a feature whose override is gone."""
        return route not in snapshot.desired and split_route(route)[1] is not None

    def wishes(self, snapshot: Snapshot) -> Mapping[str, Desired | None]:
        """What git asks of each route, reckoned for those that are asked for."""
        return _Wishes(self, snapshot)

    def end(self, snapshot: Snapshot, routes: Iterable[str]) -> list[RouteState]:
        """Drop those of these features that follow their model again; the model's route owes git their refs.

        Returns how they ended. A feature on its way home is never at rest.
        """
        gone = []
        for route in routes:
            state = self._states[route]
            model, feature = split_route(route)
            parent = self._states.get(model)
            if (
                feature is not None
                and parent is not None
                and route not in snapshot.desired
                and snapshot.wish(model) is not None
                and joined(state, parent)
            ):
                self._ended[route] = state.rejected  # its override may come back by the same commit
                del self._states[route], self._numbers[route]
                self.owing.pop(route, None)
                self.resting.forget(route)
                self.put(_owing(self._states[model], route, state))
                gone.append(state)
        return gone


class _Wishes(Mapping[str, Desired | None]):
    """By route, what git asks of it."""

    def __init__(self, routes: Routes, snapshot: Snapshot) -> None:
        self._routes = routes
        self._snapshot = snapshot

    def __getitem__(self, route: str) -> Desired | None:
        if route not in self._routes.states:
            raise KeyError(route)
        return self._routes.wish(self._snapshot, route)

    def __iter__(self) -> Iterator[str]:
        return iter(self._routes.states)

    def __len__(self) -> int:
        return len(self._routes.states)


def _owing(parent: RouteState, route: str, ended: RouteState) -> RouteState:
    """The model's route, with the debt that the feature's promoted ref has to go."""
    if ended.stable is None:
        return parent
    commit = ended.stable.commit
    duty = GitDuty(
        f"forget-{route}-{commit[:12]}", "forget", ended.stable, commit, "it follows its model again", route=route
    )
    return replace(parent, duties=(*parent.duties, duty))
