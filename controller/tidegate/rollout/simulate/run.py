"""Plays a scenario: lets virtual time pass from one thing to the next, and has the machine look at the world each time.

The controller here is `rollout.machine.advance` itself. Neighbours: world.py, record.py, expect.py, report.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tidegate.rollout.capacity import replicas
from tidegate.rollout.machine import advance, fulfilled
from tidegate.rollout.simulate.arrivals import Arrivals
from tidegate.rollout.simulate.record import Arms, Record
from tidegate.rollout.simulate.scenario import Scenario, policies
from tidegate.rollout.simulate.world import MODEL, World
from tidegate.rollout.state import Event, EventKind, RouteState, Seen
from tidegate.rollout.traffic import Traffic, traffic
from tidegate.spec.errors import InternalError

START: Final = 1_000_000_000.0
"""Where the virtual clock stands in epoch seconds when the scenario begins."""
IDLE: Final = 10.0
PASSES: Final = 50
"""More passes than this at one instant would be a loop."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the timeline, by the scenario's own names. `t` in seconds, `weights` in percent; `hold`: the cause."""

    t: float
    event: str
    release: str
    phase: str
    step: str | None
    weights: dict[str, float]
    reason: str
    hold: str | None = None


Weights = dict[str | None, dict[str, float]]
"""Percent by release, by segment; None is the traffic that no segment matches."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened: the events, weights and ready replicas from each time on, and how it ended."""

    timeline: tuple[Entry, ...]
    weights: tuple[tuple[float, Weights], ...]
    replicas: tuple[tuple[float, dict[str, int]], ...]
    final: dict[str, Any]

    def weights_at(self, t: float, segment: str | None = None) -> dict[str, float]:
        """Percent by release at `t` seconds, of a segment or of the rest; what happens at that very time counts."""
        found = next((weights for since, weights in reversed(self.weights) if since <= t), {})
        return found.get(segment, found.get(None, {}))

    def replicas_at(self, t: float) -> dict[str, int]:
        """Ready replicas by release at `t` seconds."""
        return next((ready for since, ready in reversed(self.replicas) if since <= t), {})


def play(scenario: Scenario) -> Outcome:
    """The whole scenario, always with the same outcome: chance comes from its seed, time from its events."""
    return _Play(scenario).play()


@dataclass(slots=True)
class _Play:
    scenario: Scenario
    world: World = field(init=False)
    record: Record = field(init=False)
    t: float = 0.0
    state: RouteState = field(default_factory=lambda: RouteState(MODEL))
    serving: Traffic = field(default_factory=Traffic)
    awake_since: float = 0.0
    timeline: list[Entry] = field(default_factory=list)
    weights: list[tuple[float, Weights]] = field(default_factory=list)
    replicas: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    last_phase: str | None = None
    names: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        policy = self.scenario.policy
        self.world = World.of(self.scenario)
        rails = [rail for each in policies(self.scenario) for rail in (*each.guardrails, *each.watch)]
        metrics = {rail.metric for rail in rails}
        self.record = Record(Arrivals(np.random.default_rng(self.scenario.seed), metrics), policy.batch, START)
        self.names = {release.id: name for name, release in self.world.releases.items()}

    def play(self) -> Outcome:
        events = sorted(self.scenario.events, key=lambda event: event.at)
        changes = sorted(self.world.changes())
        done = 0
        while True:
            while done < len(events) and events[done].at <= self.t:
                self.world.happen(events[done], self.t)
                if events[done].kill == "host":
                    self.state = self.world.rebuilt()
                done += 1
            self._look()
            if self.t >= self.scenario.until:
                break
            self._pass_until(min(self._next(changes), self.scenario.until))
        return Outcome(tuple(self.timeline), tuple(self.weights), tuple(self.replicas), self._final())

    def _next(self, changes: list[float]) -> float:
        """When something may happen next."""
        tick = IDLE
        candidate, watch = self.state.candidate, self.state.watch
        rails = [*(candidate.policy.guardrails if candidate else ()), *(watch.policy.watch if watch else ())]
        if candidate is not None or watch is not None:
            immediate = any(guardrail.immediate for guardrail in rails)
            tick = max(1.0, self.record.length / 5) if immediate else self.record.length
            tick = min(tick, self.record.ends - START - self.t) if self._arms else tick
        if candidate is not None and (candidate.step < 0 or candidate.hold is not None or candidate.short_since):
            tick = min(tick, 1.0)
        readable = {time - START for time in self.record.readable}
        times = {self.t + tick, *changes, *readable, *self.world.wakes()}
        return min(time for time in times if time > self.t)

    @property
    def _arms(self) -> Arms | None:
        """Whose answers the record has to tell apart just now: those of a trial, else those of a watched release."""
        state = self.state
        if state.candidate is not None and state.candidate.step >= 0 and state.stable is not None:
            return state.stable.digest, state.candidate.release.digest
        return (None, state.watch.release.digest) if state.watch is not None else None

    @property
    def _source_up(self) -> bool:
        return not self.world.is_down("source", self.t) and not self.world.is_down("gateway", self.t)

    def _pass_until(self, t: float) -> None:
        """Let time pass, and traffic with it; close the window when it is full."""
        arms = self._arms
        if arms is not None and self._source_up:
            rate, segments = self.world.rate(self.t), self.scenario.traffic.segments
            playing = self.world.playing(self.t)
            self.record.draw(t - self.t, rate, segments, self.serving, arms, playing, self.t)
        was_up = self._source_up
        self.t = t
        if arms is not None and was_up and self._source_up:
            if self.record.ends <= START + t:
                self.record.close(START + t)
        else:
            self.record.drop(START + t)

    def _look(self) -> None:
        """The controller's passes at this instant: until nothing changes any more."""
        if self.world.is_down("controller", self.t):
            self.awake_since = self.world.down["controller"]
            self._split()
            return
        for _ in range(PASSES):
            before = self._standing()
            self._pass()
            if before == self._standing():
                return
        raise InternalError(f"the machine does not come to rest at {self.t} s", where=MODEL)

    def _standing(self) -> Any:
        return self.state, self.world.readiness(self.t), self.world.replicas(self.t), self.world.head.commits

    def _pass(self) -> None:
        self.world.fetch(self.t)
        now, arms = START + self.t, self._arms
        by_name = self.world.replicas(self.t)
        seen = Seen(
            desired=self.world.desired(),
            gone=self.world.gone,
            ready=self.world.readiness(self.t),
            replicas={r.workload: by_name[n] for n, r in self.world.releases.items() if n in by_name},
            batches=self.record.take(now),
            open=self.record.open(now) if arms is not None else (),
            pairs=self.record.take_pairs(now),
            source_up=self._source_up,
            mirroring=not self.world.is_down("mirroring", self.t),
            validation=self.world.validation(),
            awake_since=START + self.awake_since,
            cool_down=self.scenario.cool_down,
        )
        step = advance(self.state, seen, now)
        self.state = step.state
        self.world.run(replicas(self.state, self.world.head.replicas, lambda _: 0), self.t)
        split = traffic(self.state, self.world.readiness(self.t))
        if split != self.serving or arms != self._arms:
            self.record.close(now) if arms is not None and arms == self._arms else self.record.drop(now)
        self._switch(split)
        for event in step.events:
            self._tell(event)
        if not self.world.is_down("git", self.t):
            for duty in self.state.duties:
                self.world.tell(duty, now)
                self.state = fulfilled(self.state, duty.id)

    def _split(self) -> None:
        """While no controller looks, what the gateway has stays; a host that is gone has nothing."""
        if self.world.is_down("gateway", self.t) and not self.world.workloads:
            self._switch(Traffic())

    def _switch(self, split: Traffic) -> None:
        self.serving = split
        named: Weights = {None: self._named(split.weights)}
        for name in {name for arm in split.arms for name in arm.segments}:
            shares = {arm.release.id: split.share(arm.release.digest, name) * 100 for arm in split.arms}
            named[name] = self._named({release: share for release, share in shares.items() if share})
        if not self.weights or self.weights[-1][1] != named:
            self.weights.append((self.t, named))
        ready = {name: count for name, count in self.world.replicas(self.t).items() if count}
        if not self.replicas or self.replicas[-1][1] != ready:
            self.replicas.append((self.t, ready))

    def _tell(self, event: Event) -> None:
        name = self.names[event.release]
        weights = self._named(event.weights)
        trial = self.state.candidate
        hold = str(trial.hold) if event.kind is EventKind.HELD and trial is not None and trial.hold else None
        self.timeline.append(Entry(self.t, event.kind, name, event.phase, event.step, weights, event.reason, hold))
        if event.phase in ("promoted", "rolled_back", "superseded"):
            self.last_phase = event.phase

    def _named(self, weights: Mapping[str, float]) -> dict[str, float]:
        return {self.names[release]: share for release, share in weights.items()}

    def _final(self) -> dict[str, Any]:
        state = self.state
        return {
            "stable": state.stable.version if state.stable is not None else None,
            "candidate": state.candidate.release.version if state.candidate is not None else None,
            "weights": self.weights[-1][1].get(None, {}) if self.weights else {},
            "phase": str(state.candidate.phase) if state.candidate is not None else self.last_phase,
            "rejected": sorted({self.names[rejection.digest[:12]] for rejection in state.rejected}),
        }
