"""A route under test: its state, a clock that tests move, a readiness and a record that they write. No magic, no chance."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from tidegate.analysis.model import Arm, Batch
from tidegate.rollout.machine import advance
from tidegate.rollout.serial import from_doc, to_doc
from tidegate.rollout.state import Desired, Event, EventKind, Phase, Readiness, RouteState, Seen
from tidegate.rollout.traffic import Traffic, traffic
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

T0 = 1_700_000_000.0

STEPS = [
    {"name": "canary", "weight": "5%", "for": "60s"},
    {"name": "half", "weight": "50%", "for": "60s"},
    {"name": "full", "weight": "100%", "for": "60s"},
]
GUARDRAILS = [{"metric": "error_rate", "max_ratio": 1.0}]


def policy(**fields: Any) -> PolicyFields:
    """Three steps of a minute and one guardrail, but for what is given; written as in YAML."""
    whole = {"steps": STEPS, "guardrails": GUARDRAILS} | fields
    return PolicyFields.model_validate(whole, by_alias=True, by_name=False)


def release(version: str, weights: str | None = None, model: str = "digits") -> Release:
    """A release by its version; `weights` names the version whose workload it shares (a config-only change)."""

    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    workload = digest(f"workload {model} {weights or version}")
    return Release(model, version, None, digest(f"release {model} {version}"), workload, f"at-{version}")


class Drive:
    """One route, driven by hand. Everything is ready and passes its validation unless a test says otherwise."""

    def __init__(self, state: RouteState | None = None, **policy_fields: Any) -> None:
        self.state = state or RouteState("digits")
        self.now = T0
        self.policy = policy(**policy_fields)
        self.wish: Desired | None = None
        self.events: list[Event] = []
        self.unready: dict[str, Readiness] = {}
        self.failed: dict[str, str] = {}
        self.unvalidated: set[str] = set()
        self.source_up = True
        self.durable = True
        self.commits = 0
        self.batch_id = 0
        self.seen_releases: dict[str, Release] = {}

    # -- what git says ---------------------------------------------------------------------------------------------

    def declare(self, version: str, weights: str | None = None, **fields: Any) -> list[Event]:
        """A commit that asks for a version, and one look at it."""
        self.commits += 1
        wanted = release(version, weights)
        self.seen_releases[wanted.digest] = wanted
        base = {"release": wanted, "policy": self.policy, "touched": f"commit-{self.commits}"}
        self.wish = Desired(**(base | fields))
        return self.look()

    def edit(self, **fields: Any) -> list[Event]:
        """A commit that changes something else about what is asked for, and one look at it."""
        assert self.wish is not None
        self.commits += 1
        self.wish = replace(self.wish, **({"touched": f"commit-{self.commits}"} | fields))
        self.policy = self.wish.policy
        return self.look()

    # -- what the world does ---------------------------------------------------------------------------------------

    @property
    def ready(self) -> dict[str, Readiness]:
        """By workload: ready unless a test said otherwise."""
        workloads = {r.workload: r.version for r in self.seen_releases.values()}
        return {w: self.unready.get(v, Readiness.READY) for w, v in workloads.items()}

    def unwell(self, version: str, readiness: Readiness = Readiness.STARTING) -> None:
        """From now on the workload of that version is not ready."""
        self.unready[version] = readiness

    def well(self, version: str) -> None:
        """And now it is again."""
        del self.unready[version]

    def pass_time(self, seconds: float) -> None:
        """Time without a look: a controller that is away."""
        self.now += seconds

    def look(self, *, batches: tuple[Batch, ...] = (), now_open: tuple[Batch, ...] = (), **seen: Any) -> list[Event]:
        """One pass. The state goes through its document each time: a restart between any two passes."""
        whole = {
            "desired": self.wish,
            "ready": self.ready,
            "why": self.failed,
            "batches": batches,
            "open": now_open,
            "source_up": self.source_up,
            "durable": self.durable,
            "validation": {d: "" for d in self.seen_releases if d not in self.unvalidated},
        } | seen
        before = from_doc(to_doc(self.state))
        assert before == self.state
        step = advance(before, Seen(**whole), self.now)
        assert advance(before, Seen(**whole), self.now) == step
        self.state = step.state
        self.events += step.events
        return list(step.events)

    def batch(self, seconds: float = 10.0, requests: int = 200, errors: tuple[float, float] = (0.0, 0.0)) -> Batch:
        """A closed window that ends now: `requests` of the route by its present weights, error shares (stable, candidate)."""
        share = self.share
        self.batch_id += 1
        if self.state.watch is not None and (self.state.candidate is None or self.state.candidate.step < 0):
            watched = Arm(requests, round(requests * errors[1]))
            return Batch(self.batch_id, self.now - seconds, self.now, Arm(), watched)
        theirs = round(requests * share)
        mine = requests - theirs
        arms = Arm(mine, round(mine * errors[0])), Arm(theirs, round(theirs * errors[1]))
        return Batch(self.batch_id, self.now - seconds, self.now, *arms, share=share)

    def serve(
        self, seconds: float, requests: int = 200, errors: tuple[float, float] = (0.0, 0.0), window: float = 10.0
    ) -> list[Event]:
        """Traffic in windows of ten seconds, with a look after each."""
        events: list[Event] = []
        for _ in range(round(seconds / window)):
            self.now += window
            events += self.look(batches=(self.batch(window, requests, errors),))
        return events

    def idle(self, seconds: float, every: float = 10.0) -> list[Event]:
        """Looks without any traffic."""
        events: list[Event] = []
        for _ in range(round(seconds / every)):
            self.now += every
            events += self.look()
        return events

    # -- what is to be seen ----------------------------------------------------------------------------------------

    @property
    def traffic(self) -> Traffic:
        """The split now."""
        return traffic(self.state, self.ready)

    @property
    def share(self) -> float:
        """The candidate's share of the unsegmented traffic."""
        candidate = self.state.candidate
        return self.traffic.share(candidate.release.digest) if candidate else 0.0

    @property
    def weights(self) -> dict[str, float]:
        """Percent by version."""
        versions = {r.id: r.version for r in self.seen_releases.values()}
        return {versions[release]: share for release, share in self.traffic.weights.items()}

    @property
    def phase(self) -> Phase | None:
        """The candidate's."""
        return self.state.candidate.phase if self.state.candidate else None

    def kinds(self, events: list[Event] | None = None) -> list[str]:
        """Event kinds, all or those given, as `kind version`."""
        return [f"{event.kind} {event.version}" for event in (self.events if events is None else events)]

    def last(self, kind: EventKind) -> Event:
        """The last event of a kind."""
        return next(event for event in reversed(self.events) if event.kind is kind)


def promoted(*versions: str, **policy_fields: Any) -> Drive:
    """A route that has promoted these versions one after the other, with all of them still known."""
    drive = Drive(**policy_fields)
    for version in versions:
        drive.declare(version)
        if drive.state.candidate is not None:
            drive.serve(sum(step.duration for step in drive.policy.steps))
        assert drive.state.stable is not None
        assert drive.state.stable.version == version, drive.kinds()
    drive.state = replace(drive.state, duties=())
    drive.events.clear()
    return drive
