"""Plays a scenario: lets virtual time pass from one thing to the next, and has the machine look at the world each time.

The controller here is `rollout.machine.advance` itself. Neighbours: world.py, record.py, expect.py, report.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tidegate.rollout.machine import advance, fulfilled
from tidegate.rollout.simulate.arrivals import Arrivals
from tidegate.rollout.simulate.record import Record
from tidegate.rollout.simulate.scenario import Scenario
from tidegate.rollout.simulate.world import MODEL, World
from tidegate.rollout.state import Event, RouteState, Seen
from tidegate.rollout.traffic import Traffic, hot, traffic
from tidegate.spec.errors import InternalError

START: Final = 1_000_000_000.0
"""Where the virtual clock stands in epoch seconds when the scenario begins."""
IDLE: Final = 10.0
PASSES: Final = 50
"""More passes than this at one instant would be a loop."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the timeline, by the scenario's own names. `t` in seconds, `weights` in percent."""

    t: float
    event: str
    release: str
    phase: str
    step: str | None
    weights: dict[str, float]
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened: the events, the weights from each time on, and how it ended."""

    timeline: tuple[Entry, ...]
    weights: tuple[tuple[float, dict[str, float]], ...]
    final: dict[str, Any]

    def weights_at(self, t: float) -> dict[str, float]:
        """Percent by release at `t` seconds; what happens at that very time counts."""
        return next((weights for since, weights in reversed(self.weights) if since <= t), {})


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
    weights: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    last_phase: str | None = None
    names: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        policy = self.scenario.policy
        self.world = World.of(self.scenario)
        metrics = {guardrail.metric for guardrail in policy.guardrails}
        self.record = Record(Arrivals(np.random.default_rng(self.scenario.seed), metrics), policy.batch, START)
        self.names = {release.id: name for name, release in self.world.releases.items()}

    def play(self) -> Outcome:
        events = sorted(self.scenario.events, key=lambda event: event.at)
        changes = sorted(self.world.changes())
        done = 0
        while True:
            while done < len(events) and events[done].at <= self.t:
                self.world.happen(events[done], self.t)
                done += 1
            self._look()
            if self.t >= self.scenario.until:
                break
            self._pass_until(min(self._next(changes), self.scenario.until))
        return Outcome(tuple(self.timeline), tuple(self.weights), self._final())

    def _next(self, changes: list[float]) -> float:
        """When something may happen next."""
        tick = IDLE
        candidate = self.state.candidate
        if candidate is not None:
            immediate = any(guardrail.immediate for guardrail in candidate.policy.guardrails)
            tick = max(1.0, self.record.length / 5) if immediate else self.record.length
            tick = min(tick, self.record.ends - START - self.t) if self._measuring else tick
            tick = min(tick, 1.0) if candidate.step < 0 or candidate.hold is not None else tick
        readable = {time - START for time in self.record.readable}
        times = {self.t + tick, *changes, *readable, *self.world.wakes()}
        return min(time for time in times if time > self.t)

    @property
    def _measuring(self) -> bool:
        return self.state.candidate is not None and self.state.candidate.step >= 0 and self.state.stable is not None

    @property
    def _source_up(self) -> bool:
        return not self.world.is_down("source", self.t) and not self.world.is_down("gateway", self.t)

    def _pass_until(self, t: float) -> None:
        """Let time pass, and traffic with it; close the window when it is full."""
        if self._measuring and self._source_up:
            rate, segments = self.world.rate(self.t), self.scenario.traffic.segments
            self.record.draw(t - self.t, rate, segments, self.serving, self.world.playing(self.t), self.t)
        was_up = self._source_up
        self.t = t
        if self._measuring and was_up and self._source_up:
            if self.record.ends <= START + t:
                self.record.close(START + t)
        else:
            self.record.drop(START + t)

    def _look(self) -> None:
        """The controller's passes at this instant: until nothing changes any more."""
        if self.world.is_down("controller", self.t):
            self.awake_since = self.world.down["controller"]
            return
        for _ in range(PASSES):
            before = (self.state, self.world.readiness(self.t), self.world.head.touched)
            self._pass()
            if before == (self.state, self.world.readiness(self.t), self.world.head.touched):
                return
        raise InternalError(f"the machine does not come to rest at {self.t} s", where=MODEL)

    def _pass(self) -> None:
        now, ready = START + self.t, self.world.readiness(self.t)
        seen = Seen(
            desired=self.world.desired(),
            ready=ready,
            batches=self.record.take(now),
            open=self.record.open(now) if self._measuring else (),
            source_up=self._source_up,
            validation=self.world.validation(),
            awake_since=START + self.awake_since,
        )
        measured = self._measuring
        step = advance(self.state, seen, now)
        self.state = step.state
        self.world.run(hot(self.state), self.t)
        split = traffic(self.state, ready)
        if split != self.serving or measured != self._measuring:
            self.record.close(now) if measured and self._measuring else self.record.drop(now)
        self._switch(split)
        for event in step.events:
            self._tell(event)
        for duty in self.state.duties:
            self.world.revert(duty)
            self.state = fulfilled(self.state, duty.id)

    def _switch(self, split: Traffic) -> None:
        self.serving = split
        named = self._named(split.weights)
        if not self.weights or self.weights[-1][1] != named:
            self.weights.append((self.t, named))

    def _tell(self, event: Event) -> None:
        name = self.names[event.release]
        weights = self._named(event.weights)
        self.timeline.append(Entry(self.t, event.kind, name, event.phase, event.step, weights, event.reason))
        if event.phase in ("promoted", "rolled_back", "superseded"):
            self.last_phase = event.phase

    def _named(self, weights: Any) -> dict[str, float]:
        return {self.names[release]: share for release, share in weights.items()}

    def _final(self) -> dict[str, Any]:
        state = self.state
        return {
            "stable": state.stable.version if state.stable is not None else None,
            "candidate": state.candidate.release.version if state.candidate is not None else None,
            "weights": self.weights[-1][1] if self.weights else {},
            "phase": str(state.candidate.phase) if state.candidate is not None else self.last_phase,
            "rejected": sorted({self.names[rejection.digest[:12]] for rejection in state.rejected}),
        }
