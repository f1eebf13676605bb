"""One pass's decisions: every route that is awake is advanced on what was seen, and those that need nothing come to rest.

What follows from a decision (weights, servers) is noted with those who see to it, so that they too look at nothing else.
Neighbours: rollout/machine.py decides (pure), resting.py says who is awake, loop.py calls this and makes it durable.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from tidegate.engine.demand import Demand
from tidegate.engine.duties import Duties
from tidegate.engine.evidence import Evidence
from tidegate.engine.journaling import Journaling, Taken
from tidegate.engine.problems import Problems
from tidegate.engine.routes import Routes
from tidegate.engine.servers import Servers
from tidegate.engine.shadowing import Shadowing
from tidegate.engine.source import Remembered, Snapshot, Source
from tidegate.engine.sources import Sources
from tidegate.engine.steering import Steering
from tidegate.engine.validation import Validation
from tidegate.rollout.machine import advance
from tidegate.rollout.queue import Turns
from tidegate.rollout.state import Advance, Desired, EventKind, RouteState, Seen
from tidegate.rollout.traffic import Traffic, traffic
from tidegate.spec.controller import RolloutSettings
from tidegate.spec.errors import InternalError, NeedsPerson, TidegateError
from tidegate.spec.release import split_route

log = logging.getLogger(__name__)


class Deciding:
    """What was decided last: the split of each route, and who was looked at. Called by the loop alone."""

    def __init__(
        self,
        *,
        routes: Routes,
        servers: Servers,
        source: Source,
        evidence: Evidence,
        shadowing: Shadowing,
        validation: Validation,
        journaling: Journaling,
        sources: Sources,
        steering: Steering,
        demand: Demand,
        duties: Duties,
        problems: Problems,
        rollouts: RolloutSettings,
        now: Callable[[], float],
    ) -> None:
        self._routes = routes
        self._servers = servers
        self._source = source
        self._evidence = evidence
        self._shadowing = shadowing
        self._validation = validation
        self._journaling = journaling
        self._sources = sources
        self._steering = steering
        self._demand = demand
        self._duties = duties
        self._problems = problems
        self._rollouts = rollouts
        self._now = now
        self.traffic: dict[str, Traffic] = {}
        self.looked: list[str] = []
        self._restore: dict[str, list[Callable[[], None]]] = {}  # by route that moved forward in this pass

    def decide(
        self, snapshot: Snapshot, remembered: Remembered, source_up: bool, caught_up: bool, awake_since: float
    ) -> bool:
        """Advance every route that is awake. True when batches were taken in, which the journal has to know."""
        routes, ready, now = self._routes, self._servers.readiness(), self._now()
        learnt = self._servers.news()
        if snapshot.commit is not None:
            new = routes.begin(snapshot, remembered)
            self._journaling.changed(*new, *(split_route(route)[0] for route in new))
            self._note_lost(snapshot, remembered)
        routes.resting.learnt(learnt, ready)
        routes.resting.ring(now)
        self.looked = routes.resting.awake()
        wishes = {route: self._wish(snapshot, route) for route in self.looked}
        turns = Turns({route: routes.states[route] for route in self.looked}, self._rollouts.at_once)
        absorbed = False
        self._journaling.begin()
        self._restore.clear()
        for route in self.looked:
            state, wish = routes.states[route], wishes[route]
            again = self._journaling.unused(route)
            taken = Taken(again.batches + self._evidence.closed(route), again.pairs + self._shadowing.closed(route))
            absorbed = absorbed or any(taken)
            answer = self._validation.answers(state)
            seen = Seen(
                desired=self._source.as_turned_down(wish, state.rejected),
                ready=ready,
                why=self._servers.why(),
                batches=taken.batches,
                open=self._evidence.open(route),
                source_up=source_up,
                validation=answer.judged,
                unproven=answer.unproven,
                read_to=None if caught_up else self._evidence.read_to,
                awake_since=awake_since,
                gone=snapshot.gone(route),
                replicas=self._servers.replicas(),
                queued=turns.why_not(route),
                cool_down=self._rollouts.cool_down,
                live_since=self.live_since(state, traffic(state, ready), snapshot, now),
                troubles=self._sources.troubles(route),
                mirroring=self._shadowing.able,
                pairs=taken.pairs,
                durable="journal" not in self._problems,
            )
            step = self._advance(state, seen, now)
            if step is None:
                continue
            promoted = any(event.kind is EventKind.PROMOTED for event in step.events)
            if not promoted:  # else its place is free once that is on disk
                turns.note(route, step.state)
            self._take(snapshot, state, step, taken)
            if not routes.homeward(snapshot, route):  # else it follows its model's route, of which nobody tells it
                routes.resting.passed(state, step.state, seen)
        for ended in routes.end(snapshot, self.looked):
            self._journaling.dropped(ended)
            self._journaling.changed(split_route(ended.route)[0])
            self._end(ended.route)
        self.looked = [route for route in self.looked if route in routes.states]
        self._steering.note(self.looked, learnt)
        self._demand.note(self.looked, learnt)
        return absorbed

    def _wish(self, snapshot: Snapshot, route: str) -> Desired | None:
        wish = self._routes.wish(snapshot, route)
        if wish is None or not self._routes.homeward(snapshot, route):
            return wish
        try:
            wish = self._source.led_home(snapshot, route, wish)
        except TidegateError as error:  # what cannot be read asks for nothing: what serves goes on
            self._problems.note(f"wish of {route}", error)
            return None
        self._problems.note(f"wish of {route}", None)
        return wish

    def _advance(self, state: RouteState, seen: Seen, now: float) -> Advance | None:
        """One route's decision; None after a defect in its story, which must not stop the others."""
        try:
            step = advance(state, seen, now)
        except Exception as error:  # noqa: BLE001 whatever it is, it is told, and the route left as it is
            self._problems.note(f"state of {state.route}", _defect(error))
            self.traffic.setdefault(state.route, traffic(state, seen.ready))
            return None
        self._problems.note(f"state of {state.route}", None)
        return step

    def _take(self, snapshot: Snapshot, before: RouteState, step: Advance, taken: Taken) -> None:
        state = step.state
        self._routes.put(state)
        forward = self._journaling.decided(state.route, before, taken, step)
        for event in () if forward and "journal" in self._problems else step.events:
            log.info("%s: %s %s: %s", event.route, event.kind, event.version, event.reason)
        split = self.traffic[state.route] = traffic(state, self._servers.readiness())
        if forward:
            gathering = (self._evidence, self._shadowing, self._sources)
            self._restore[state.route] = [part.restorer(state.route) for part in gathering]
        longest = longest_answer(snapshot, state)
        self._evidence.follow(state, split, random=by_chance(snapshot, state.route), longest=longest)
        self._shadowing.follow(state, split, snapshot.model(split_route(state.route)[0]), longest)
        self._sources.follow(state)

    def put_back(self) -> None:
        """The journal could not be written: whoever moved forward in this pass stands where it stood before.

        And is judged on as before: a release whose promotion waits for a disk may still turn bad.
        """
        for state in self._journaling.put_back(self._routes.states).values():
            self._routes.put(state)
            for restore in self._restore[state.route]:
                restore()
            self.traffic[state.route] = traffic(state, self._servers.readiness())

    def live_since(self, state: RouteState, split: Traffic, snapshot: Snapshot, now: float) -> float:
        """Since when users have had this step's weights: before, nothing counts towards its time."""
        candidate = state.candidate
        if candidate is None or candidate.step < 0:
            return 0.0
        return self._steering.live_since(state.route, split, snapshot.model, now)

    def _note_lost(self, snapshot: Snapshot, remembered: Remembered) -> None:
        """A rebuilt host never starts what git asks for in place of what was promoted: a person has to say."""
        for route, why in remembered.lost.items():
            waits = route in snapshot.desired and route not in self._routes.states
            fix = (
                "push that commit again, or delete the route's ref under refs/tidegate/ to begin with what git asks for"
            )
            error = NeedsPerson(f"{route} does not start: {why}", fix=fix) if waits else None
            self._problems.note(f"promoted {route}", error)

    def _end(self, route: str) -> None:
        """Nothing of a route that is no more stays behind."""
        self.traffic.pop(route, None)
        for part in (self._evidence, self._shadowing, self._sources, self._duties, self._steering, self._demand):
            part.forget(route)
        for key in (f"route {route}", f"state of {route}", f"wish of {route}"):
            self._problems.pop(key, None)


def by_chance(snapshot: Snapshot, route: str) -> bool:
    """Whether requests of this route are split by chance, and not by user; unknown counts as not."""
    model = snapshot.model(split_route(route)[0])
    return model is not None and model.sticky is None


def longest_answer(snapshot: Snapshot, state: RouteState) -> float:
    """Seconds that an answer of this route's model may take, or of a provider that serves it; 0 when nobody knows."""
    folder = snapshot.declared.models.get(split_route(state.route)[0])
    if folder is None or folder.model is None:
        return 0.0
    releases = (state.stable, state.candidate.release if state.candidate is not None else None)
    versions = (folder.versions.get(release.version) for release in releases if release is not None)
    providers = (found.value.provider for found in versions if found is not None)
    return max([folder.model.value.timeout, *(one.timeout or 0.0 for one in providers if one is not None)])


def _defect(error: Exception) -> InternalError:
    """A defect as one, with its cause for the log."""
    if isinstance(error, InternalError):
        return error
    found = InternalError(f"{type(error).__name__}: {error}", fix="please report this with the controller's log")
    found.__cause__ = error
    return found
