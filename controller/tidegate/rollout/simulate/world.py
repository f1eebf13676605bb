"""The simulated world around the machine: a git head, containers, a gateway and a metric source. No controller in it.

Neighbours: run.py lets time pass here and has the machine look at it. Times in seconds of the virtual clock.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.rollout.simulate.behaviour import Actor, actors
from tidegate.rollout.simulate.scenario import EventSpec, Scenario
from tidegate.rollout.state import Desired, GitDuty, Readiness
from tidegate.spec.release import Release

MODEL = "simulated"
BUDGET = 60.0
"""Seconds of start-up budget, beyond what a release takes by itself, when the policy gives none."""
RESTART = 5.0
"""Seconds that a killed part is gone when the scenario does not say."""


@dataclass(slots=True)
class Head:
    """What git asks for: a release by its scenario name, and who asked when."""

    release: str | None = None
    touched: str = ""
    hold: bool = False
    approvals: tuple[str, ...] = ()
    commits: int = 0


@dataclass(slots=True)
class World:
    """Everything outside the controller. `workloads`: since when each runs, by the release that it belongs to."""

    scenario: Scenario
    actors: Mapping[str, Actor]
    releases: dict[str, Release]
    head: Head = field(default_factory=Head)
    workloads: dict[str, float] = field(default_factory=dict)
    down: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, scenario: Scenario) -> World:
        """The world before anything happened."""
        cast = actors(scenario.releases)
        return cls(scenario, cast, {name: _release(actor) for name, actor in cast.items()})

    def is_down(self, part: str, t: float) -> bool:
        """Whether the controller, the gateway, the source or a workload is down at `t`."""
        return self.down.get(part, 0.0) > t

    def happen(self, event: EventSpec, t: float) -> None:
        """Let one event of the scenario take place."""
        if event.declare is not None:
            self.commit(event.declare)
        elif event.hold is not None:
            self.head.hold = event.hold
            self.commit(self.head.release)
        elif event.approve is not None:
            self.head.approvals = (*self.head.approvals, event.approve)
            self.commit(self.head.release)
        elif event.kill == "container" and event.release is not None:
            actor = self.actors[event.release]
            self.down[actor.weights_of] = t + (event.duration or actor.ready_after or RESTART)
        elif event.kill is not None:
            self.down[event.kill] = t + (event.duration or RESTART)
        else:
            ends = t if event.source == "up" else t + event.duration if event.duration is not None else math.inf
            self.down["source"] = ends

    def commit(self, release: str | None) -> None:
        """A commit that asks for `release`."""
        self.head.commits += 1
        self.head.release = release
        self.head.touched = f"commit-{self.head.commits}"

    def revert(self, duty: GitDuty) -> None:
        """The controller's own revert commit, unless git has moved on; a branch or a note leaves the head alone."""
        asked = self.releases[self.head.release] if self.head.release is not None else None
        wanted = duty.kind == "revert" and duty.mode == "revert" and asked == duty.release
        if wanted and duty.good is not None:
            self.commit(duty.good.version)

    def desired(self) -> Desired | None:
        """What the machine reads of the head."""
        if self.head.release is None:
            return None
        return Desired(
            release=self.releases[self.head.release],
            policy=self.scenario.policy,
            touched=self.head.touched,
            hold=self.head.hold,
            approvals=self.head.approvals,
            startup_timeout=BUDGET + (self.actors[self.head.release].ready_after or 0.0),
        )

    def run(self, needed: Iterable[str], t: float) -> None:
        """Start the workloads that are needed (by digest) and stop the others."""
        wanted = set(needed)
        names = {r.workload: self.actors[name].weights_of for name, r in self.releases.items() if r.workload in wanted}
        self.workloads = {name: self.workloads.get(name, t) for name in names.values()}

    def readiness(self, t: float) -> dict[str, Readiness]:
        """By workload digest, at `t`."""
        return {self.releases[name].workload: self._readiness(name, t) for name in self.workloads}

    def validation(self) -> dict[str, str]:
        """By release digest: '' where the scenario lets it pass."""
        failed = "the scenario lets its validation fail"
        return {self.releases[n].digest: failed if a.validation == "fail" else "" for n, a in self.actors.items()}

    def playing(self, t: float) -> dict[str, Actor]:
        """The releases whose workload answers at `t`, by digest."""
        up = {name for name in self.workloads if self._readiness(name, t) is Readiness.READY}
        return {self.releases[name].digest: actor for name, actor in self.actors.items() if actor.weights_of in up}

    def rate(self, t: float) -> float:
        """Requests a second at `t`."""
        later = [(since, spec.rate) for since, spec in self.scenario.traffic.from_.items() if since <= t]
        return max(later)[1] if later else self.scenario.traffic.rate

    def changes(self) -> set[float]:
        """The times at which the scenario changes something by itself."""
        times = {event.at for event in self.scenario.events} | set(self.scenario.traffic.from_)
        return times.union(*({since for since, _ in actor.manners} for actor in self.actors.values()))

    def wakes(self) -> set[float]:
        """When something now under way will be over: a start, an outage."""
        started = {since + (self.actors[name].ready_after or 0.0) for name, since in self.workloads.items()}
        return started | set(self.down.values())

    def _readiness(self, name: str, t: float) -> Readiness:
        after = self.actors[name].ready_after
        if after is None or self.workloads[name] + after > t or self.is_down(name, t):
            return Readiness.STARTING
        return Readiness.READY


def _release(actor: Actor) -> Release:
    def digest(kind: str, name: str) -> str:
        return hashlib.sha256(f"{kind}:{name}".encode()).hexdigest()

    return Release(
        MODEL, actor.name, None, digest("release", actor.name), digest("workload", actor.weights_of), commit=actor.name
    )
