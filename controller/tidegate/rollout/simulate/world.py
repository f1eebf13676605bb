"""The simulated world around the machine: a git head, containers, a gateway and a metric source. No controller in it.

Neighbours: run.py lets time pass here and has the machine look at it. Times in seconds of the virtual clock.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tidegate.rollout.simulate.behaviour import Actor, actors
from tidegate.rollout.simulate.scenario import EventSpec, Scenario
from tidegate.rollout.state import Desired, GitDuty, Readiness, Rejection, RouteState
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

MODEL = "simulated"
BUDGET = 60.0
"""Seconds of start-up budget, beyond what a release takes by itself, when the policy gives none."""
RESTART = 5.0
"""Seconds that a killed part is gone when the scenario does not say."""


@dataclass(slots=True)
class Head:
    """What git asks for: a release by its scenario name, and who asked when; the fields of its deployment and policy."""

    policy: PolicyFields
    replicas: int = 1
    release: str | None = None
    touched: str = ""
    hold: bool = False
    approvals: tuple[str, ...] = ()
    commits: int = 0
    deleted: bool = False


@dataclass(slots=True)
class World:
    """Everything outside the controller. `workloads`: since when each replica runs, by the release that it belongs to.

    `fetched` is the head as the controller read it last. `promoted` and `rejected`: what git remembers of decisions.
    """

    scenario: Scenario
    actors: Mapping[str, Actor]
    releases: dict[str, Release]
    head: Head
    fetched: Head
    workloads: dict[str, list[float]] = field(default_factory=dict)
    was_ready: set[str] = field(default_factory=set)
    down: dict[str, float] = field(default_factory=dict)
    promoted: Release | None = None
    rejected: tuple[Rejection, ...] = ()

    @classmethod
    def of(cls, scenario: Scenario) -> World:
        """The world before anything happened."""
        cast = actors(scenario.releases)
        head = Head(scenario.policy, scenario.replicas)
        return cls(scenario, cast, {name: _release(actor) for name, actor in cast.items()}, head, replace(head))

    def is_down(self, part: str, t: float) -> bool:
        """Whether the controller, the gateway, the source, git or a workload is down at `t`."""
        return self.down.get(part, 0.0) > t

    def happen(self, event: EventSpec, t: float) -> None:
        """Let one event of the scenario take place."""
        if event.kill is not None:
            self._kill(event, t)
        elif (
            part := next((name for name in ("source", "git", "mirroring") if getattr(event, name)), None)
        ) is not None:
            up = getattr(event, part) == "up"
            self.down[part] = t if up else t + event.duration if event.duration is not None else math.inf
        else:
            self._commit(event)

    def _commit(self, event: EventSpec) -> None:
        head = self.head
        if event.delete is not None:
            head.deleted = True
            head.commits += 1
            return
        head.deleted = False
        head.hold = event.hold if event.hold is not None else head.hold
        head.approvals = (*head.approvals, event.approve) if event.approve is not None else head.approvals
        head.replicas = event.replicas or head.replicas
        head.policy = event.policy or head.policy
        if event.declare is not None:
            self.commit(event.declare)
        else:
            head.commits += 1

    def _kill(self, event: EventSpec, t: float) -> None:
        lasts = event.duration or RESTART
        if event.release is not None:
            actor = self.actors[event.release]
            self.down[actor.weights_of] = t + (event.duration or actor.ready_after or RESTART)
        elif event.kill == "host":
            self.down |= {"controller": t + lasts, "gateway": t + lasts}
            self.workloads.clear()
            self.was_ready.clear()
        elif event.kill is not None:
            self.down[event.kill] = t + lasts

    def commit(self, release: str | None) -> None:
        """A commit that asks for `release`."""
        self.head.commits += 1
        self.head.release = release
        self.head.touched = f"commit-{self.head.commits}"

    def tell(self, duty: GitDuty, at: float) -> None:
        """Git is told: the controller's own revert commit, unless git has moved on, and what it remembers.

        A branch or a note leaves the head alone. `at` in epoch seconds.
        """
        if duty.kind == "promote":
            self.promoted = duty.release
            return
        asked = self.releases[self.head.release] if self.head.release is not None else None
        self.rejected = (*self.rejected, Rejection(duty.release.digest, duty.commit, duty.reason, at))
        if duty.mode == "revert" and asked == duty.release and duty.good is not None:
            self.commit(duty.good.version)

    def rebuilt(self) -> RouteState:
        """The state that a host without a journal begins with: what git remembers."""
        promoted = (self.promoted,) if self.promoted is not None else ()
        return RouteState(MODEL, stable=self.promoted, promoted=promoted, rejected=self.rejected)

    def fetch(self, t: float) -> None:
        """The controller reads the head, unless git is down."""
        if not self.is_down("git", t):
            self.fetched = replace(self.head)

    @property
    def gone(self) -> bool:
        """Whether the head that was read asks for nothing any more."""
        return self.fetched.deleted

    def desired(self) -> Desired | None:
        """What the machine reads of the head."""
        head = self.fetched
        if head.release is None or head.deleted:
            return None
        return Desired(
            release=self.releases[head.release],
            policy=head.policy,
            touched=head.touched,
            replicas=head.replicas,
            hold=head.hold,
            approvals=head.approvals,
            startup_timeout=BUDGET + (self.actors[head.release].ready_after or 0.0),
        )

    def run(self, needed: Mapping[str, int], t: float) -> None:
        """Start as many replicas of the workloads (by digest) as are needed, and stop the others."""
        names = {r.workload: self.actors[name].weights_of for name, r in self.releases.items() if r.workload in needed}
        before = self.workloads
        self.workloads = {}
        for digest, name in names.items():
            old = before.get(name, [])[: needed[digest]]
            self.workloads[name] = old + [t] * (needed[digest] - len(old))
        self.was_ready &= set(self.workloads)

    def readiness(self, t: float) -> dict[str, Readiness]:
        """By workload digest, at `t`: ready once all replicas were, for as long as one of them is."""
        return {self.releases[name].workload: self._readiness(name, t) for name in self.workloads}

    def replicas(self, t: float) -> dict[str, int]:
        """Ready replicas by the release that they belong to."""
        return {name: self._ready(name, t) for name in self.workloads}

    def validation(self) -> dict[str, str]:
        """By release digest: '' where the scenario lets it pass."""
        failed = "the scenario lets its validation fail"
        return {self.releases[n].digest: failed if a.validation == "fail" else "" for n, a in self.actors.items()}

    def playing(self, t: float) -> dict[str, Actor]:
        """The releases whose workload answers at `t`, by digest."""
        up = {name for name in self.workloads if self._ready(name, t)}
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
        started = {
            since + (self.actors[name].ready_after or 0.0) for name, all_ in self.workloads.items() for since in all_
        }
        return started | set(self.down.values())

    def _ready(self, name: str, t: float) -> int:
        after = self.actors[name].ready_after
        if after is None or self.is_down(name, t):
            return 0
        return sum(since + after <= t for since in self.workloads[name])

    def _readiness(self, name: str, t: float) -> Readiness:
        ready = self._ready(name, t)
        if ready >= len(self.workloads[name]) or (ready and name in self.was_ready):
            self.was_ready.add(name)
            return Readiness.READY
        self.was_ready.discard(name)
        return Readiness.STARTING


def _release(actor: Actor) -> Release:
    def digest(kind: str, name: str) -> str:
        return hashlib.sha256(f"{kind}:{name}".encode()).hexdigest()

    return Release(
        MODEL, actor.name, None, digest("release", actor.name), digest("workload", actor.weights_of), commit=actor.name
    )
