"""The states of all routes in memory, in step with the journal: where a route begins, and where it ends.

A route begins from the journal, else from its promoted ref in git (a rebuilt host), else from its model (a feature), else
empty. Neighbours: loop.py advances them, rollout/ decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from tidegate.engine.source import Remembered, Snapshot
from tidegate.rollout.features import born, homeward, joined
from tidegate.rollout.state import Desired, GitDuty, Rejection, RouteState
from tidegate.spec.release import split_route


class Routes:
    """All route states, and what git wishes of each. Called by the loop alone."""

    def __init__(self, states: Mapping[str, RouteState]) -> None:
        self.states: dict[str, RouteState] = dict(states)
        self._ended: dict[str, tuple[Rejection, ...]] = {}

    def begin(self, snapshot: Snapshot, remembered: Remembered) -> list[str]:
        """Give every route that git asks for a state. Returns the new ones."""
        new: list[str] = []
        for route in sorted(snapshot.desired):
            if route in self.states or snapshot.wish(route) is None:
                continue
            state = self._first_state(route, remembered, new)
            if state is not None:
                self.states[route] = state
                new.append(route)
                self._remember(route)
        return new

    def _first_state(self, route: str, remembered: Remembered, new: Collection[str]) -> RouteState | None:
        """None when it has to wait: for its model's route, or for a person, where what was promoted cannot be read.

        A feature of a model whose route is known already gets its override just now: what its own route promoted in
        earlier days, before it followed its model again, is over.
        """
        model, feature = split_route(route)
        rejected = self._ended.get(route) or remembered.rejected.get(route, ())
        if feature is None or model in new:
            release = remembered.promoted.get(route)
            if release is not None:
                return RouteState(route, stable=release, promoted=(release,), rejected=rejected)
            if route in remembered.lost:
                return None
        if feature is None:
            return RouteState(route, rejected=rejected)
        parent = self.states.get(model)
        return replace(born(route, parent), rejected=rejected) if parent and parent.stable else None

    def _remember(self, route: str) -> None:
        """A feature that has a route again: its promoted ref is its own again, so nobody has to take it back."""
        parent = self.states.get(split_route(route)[0])
        if parent is not None and any(duty.route == route for duty in parent.duties):
            kept = tuple(duty for duty in parent.duties if duty.route != route)
            self.states[parent.route] = replace(parent, duties=kept)

    def wishes(self, snapshot: Snapshot) -> dict[str, Desired | None]:
        """What git asks of each route; a feature whose override is gone is asked to follow its model."""
        answer: dict[str, Desired | None] = {}
        for route in self.states:
            model, feature = split_route(route)
            parent = self.states.get(model)
            own = snapshot.wish(route)
            if own is None and feature is not None and route not in snapshot.desired and parent is not None:
                of_model = snapshot.wish(model)
                own = homeward(parent, of_model) if of_model else None
            answer[route] = own
        return answer

    def gone(self, snapshot: Snapshot) -> frozenset[str]:
        """Routes that git was read for and asks nothing of any more: the model's deployment is not there.

        A repository that asks for nothing at all says nothing about anybody.
        """
        if not any(isinstance(found, Desired) for found in snapshot.desired.values()):
            return frozenset()
        asked = {split_route(route)[0] for route in snapshot.desired}
        return frozenset(route for route in self.states if split_route(route)[0] not in asked)

    def end(self, snapshot: Snapshot) -> list[str]:
        """Drop the features that follow their model again; the model's route owes git their refs. Returns their names."""
        gone = []
        for route, state in list(self.states.items()):
            model, feature = split_route(route)
            parent = self.states.get(model)
            if (
                feature is not None
                and parent is not None
                and route not in snapshot.desired
                and snapshot.wish(model) is not None
                and joined(state, parent)
            ):
                self._ended[route] = state.rejected  # its override may come back by the same commit
                del self.states[route]
                self.states[model] = _owing(self.states[model], route, state)
                gone.append(route)
        return gone


def _owing(parent: RouteState, route: str, ended: RouteState) -> RouteState:
    """The model's route, with the debt that the feature's promoted ref has to go."""
    if ended.stable is None:
        return parent
    commit = ended.stable.commit
    duty = GitDuty(
        f"forget-{route}-{commit[:12]}", "forget", ended.stable, commit, "it follows its model again", route=route
    )
    return replace(parent, duties=(*parent.duties, duty))
