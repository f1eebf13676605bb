"""The state of one route: stable, candidate, standby, what was promoted and what was rejected. Frozen, serialisable.

Neighbours: machine.py moves it, traffic.py derives weights from it, the engine journals it and makes it real.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tidegate.analysis.model import Arm, Batch, Verdict
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release


class Phase(StrEnum):
    """Phases of a candidate, DESIGN section 4. The last three are ends."""

    PREPARING = "preparing"
    VALIDATING = "validating"
    SHADOW = "shadow"
    SHIFTING = "shifting"
    HOLDING = "holding"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


class Hold(StrEnum):
    """Why a candidate waits."""

    NO_DATA = "no_data"
    TOO_FEW = "too_few"
    SOURCE_DOWN = "source_down"
    MANUAL = "manual"
    FLAPPING = "flapping"
    APPROVAL = "approval"
    BOTH_ARMS = "both_arms"
    INVALID = "invalid"
    INCONCLUSIVE = "inconclusive"
    UNSUPPORTED = "unsupported"
    NOT_READY = "not_ready"
    DISAGREEMENT = "disagreement"
    CAPACITY = "capacity"
    QUEUED = "queued"
    COOLING = "cooling"
    VALIDATION = "validation"
    CHECKER_BROKEN = "checker_broken"


class EventKind(StrEnum):
    """Everything that is told about a route, DESIGN section 6."""

    STARTED = "started"
    STEP = "step"
    HELD = "held"
    RESUMED = "resumed"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    FAST_ROLLBACK = "fast_rollback"
    SUPERSEDED = "superseded"
    SKIPPED_REJECTED = "skipped_rejected"
    STANDBY_RELEASED = "standby_released"
    DEGRADED = "degraded"
    RECOVERED = "recovered"


class Readiness(StrEnum):
    """How hot a workload is. `failed` is final for this workload until a newer commit asks again."""

    COLD = "cold"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Desired:
    """What git asks of one route at one commit. `touched` is the newest commit that touched what this route declares.

    `startup_timeout` in seconds is the version's own; the policy's, where given, goes before it.
    """

    release: Release
    policy: PolicyFields
    touched: str
    reason: str | None = None
    owners: tuple[str, ...] = ()
    replicas: int = 1
    hold: bool = False
    approvals: tuple[str, ...] = ()
    startup_timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Standby:
    """A former stable release that stays hot `until` (epoch seconds), with as many replicas as it had; 0: not known."""

    release: Release
    until: float
    replicas: int = 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """A release that was turned down, and the commit that asked for it."""

    digest: str
    touched: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """A source that the policy's guardrails need and that gives nothing, `since` a moment (epoch seconds).

    `cause`: no_data (it answers, and has nothing), source_down (it cannot be asked) or checker_broken (what it is asked,
    or what it answers, is wrong). `why` names it, for people.
    """

    cause: Hold
    since: float
    why: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """One closed window of mirrored requests: how many were answered by both arms, and how many of those agreed.

    `start` and `end` in epoch seconds. `missing`: copies of which it turned out that they have no pair of answers that can
    be compared (below 0: some came after all); they are no pairs, and never agreement. `stable` and `shadow`: how those
    requests went that both have answered.
    """

    start: float
    end: float
    pairs: int
    agreed: int
    missing: int = 0
    stable: Arm = field(default_factory=Arm)
    shadow: Arm = field(default_factory=Arm)


@dataclass(frozen=True, slots=True)
class Watch:
    """The stable release under the policy's `watch` guardrails since its promotion, `until` its standby window ends.

    `touched` asked for it; `good` is the release before it, `record` an analysis that knows of that one alone. `analysis`
    began from it at `begun`. `read_to`: evidence up to then is taken in; `windows` counts it. `alerted`: that it fails was
    told, and there was nothing to go back to. Times in epoch seconds.
    """

    release: Release
    touched: str
    policy: PolicyFields
    since: float
    until: float
    good: Release | None = None
    record: Mapping[str, Any] | None = None
    begun: float = 0.0
    read_to: float = 0.0
    windows: int = 0
    analysis: Mapping[str, Any] | None = None
    verdict: Verdict | None = None
    alerted: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """The release on trial. Times in epoch seconds; `clock` is the evidence time of the present step in seconds.

    `step` is the index into the policy's steps (-1 before the first); `policy` is the one in force for that step.
    `phase` is what it does; while it is `holding`, `resume_phase` is what it did and `hold` says why it waits.
    `analysis` is the analysis's own serialisable state.

    `touched` is the commit that asked for it, `asked` the newest that still does (an approval is a commit too).
    `traffic_since`: the first step began. `no_data_since`: the last evidence ended. `waiting_since`: not ready since.
    `spent` and `requests`: evidence seconds and candidate requests of the whole rollout, for the policy's budget.
    `holds` counts those of this step that evidence caused, `losses` how often its workload went down.
    `calm_since`: the cause of the hold was gone. `waived`: no_data's `pass` has set this step's requests aside.

    `replicas` is what git asks for, `room` the share of them that has to run by now; `short_since`: it waits for them.
    `agreed` of this shadow step's `step_requests` pairs; `missing` copies have none. `record`: an analysis that knows of
    stable alone, for `watch`.
    """

    release: Release
    touched: str
    phase: Phase
    started_at: float
    policy: PolicyFields
    config_only: bool = False
    fast: bool = False
    step: int = -1
    step_started_at: float = 0.0
    clock: float = 0.0
    step_requests: int = 0
    hold: Hold | None = None
    hold_since: float = 0.0
    hold_reason: str = ""
    resume_phase: Phase | None = None
    no_data_since: float | None = None
    last_batch: int = -1
    attempt: int = 0
    analysis: Mapping[str, Any] | None = None
    verdict: Verdict | None = None
    asked: str = ""
    startup_timeout: float = 60.0
    validated: bool = False
    waiting_since: float | None = None
    traffic_since: float | None = None
    spent: float = 0.0
    requests: int = 0
    holds: int = 0
    losses: int = 0
    calm_since: float | None = None
    waived: bool = False
    replicas: int = 1
    room: float = 1.0
    short_since: float | None = None
    agreed: int = 0
    missing: int = 0
    record: Mapping[str, Any] | None = None

    @property
    def doing(self) -> Phase:
        """The phase, or the one that it goes back to when its hold ends."""
        return self.resume_phase if self.phase is Phase.HOLDING and self.resume_phase else self.phase


@dataclass(frozen=True, slots=True)
class GitDuty:
    """What git has yet to be told. Journaled with the state, so that no crash loses it. `kind`: revert, promote or forget.

    `route`: the route that it is about, where that is none any more (forget: its promoted ref goes); else ''.
    """

    id: str
    kind: str
    release: Release
    commit: str
    reason: str
    good: Release | None = None
    mode: str = "revert"
    route: str = ""


@dataclass(frozen=True, slots=True)
class RouteState:
    """One route, whole. `promoted` newest first, the stable release included.

    `degraded` says why the stable release cannot serve. `skipped` names the rejected request that was told as such.
    `replicas`: how many the stable release runs; 0: not known. `absent_since`: git asks for nothing here any more;
    `retire_after`: seconds after which the last policy lets it go then, None: never.
    """

    route: str
    stable: Release | None = None
    candidate: Candidate | None = None
    standby: tuple[Standby, ...] = ()
    promoted: tuple[Release, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    duties: tuple[GitDuty, ...] = ()
    degraded: str | None = None
    skipped: str | None = None
    replicas: int = 0
    watch: Watch | None = None
    absent_since: float | None = None
    retire_after: float | None = None

    @property
    def retired(self) -> bool:
        """Whether it served once and was let go, since git has long ceased to ask for anything here."""
        return self.stable is None and bool(self.promoted)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a route, for the journal, the status and the alert.

    `release` is its short id. `weights`: percent of the traffic that no segment matches, by short id, zeros left out.
    """

    at: float
    route: str
    kind: EventKind
    release: str
    version: str
    phase: str
    step: str | None
    weights: Mapping[str, float]
    reason: str
    commit: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the engine observed for one route in this pass.

    `desired` None: nothing could be read, or git asks for nothing, so nothing changes. `ready`: by workload digest,
    missing means cold; `why`: the reason of one that is not ready. `batches`: closed ones since the last pass, in
    order; `open` the running ones. `source_up` False: the record could not be read. `validation`: by release digest, ''
    passed, else the reason. `read_to`: the record has been read up to then, None up to now; so a restarted controller
    takes no unread time for silence. `awake_since`: when this controller began to look (epoch seconds).

    `gone`: git was read, and asks for nothing here. `replicas`: ready ones by workload, missing means nobody counts
    them. `mirroring`: the gateway can copy requests; `pairs` are the closed windows of copies since the last pass.
    `queued`: why a rollout must not begin just now (others are under way), '' when it may. `cool_down`: seconds after a
    rejection in which none begins. `unproven`: by release digest, why its validation cannot be done just now.
    `live_since`: since when users have the step's weights (epoch seconds); nothing before counts towards its time.
    `troubles`: sources besides the record that give nothing just now; those of this route's policy alone. `durable`: what is
    decided can be written down; else nobody gets more than they have, and evidence goes on being taken in.
    """

    desired: Desired | None
    ready: Mapping[str, Readiness] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    batches: tuple[Batch, ...] = ()
    open: tuple[Batch, ...] = ()
    source_up: bool = True
    validation: Mapping[str, str] = field(default_factory=dict)
    unproven: Mapping[str, str] = field(default_factory=dict)
    read_to: float | None = None
    awake_since: float = 0.0
    gone: bool = False
    replicas: Mapping[str, int] = field(default_factory=dict)
    mirroring: bool = False
    pairs: tuple[Pairs, ...] = ()
    queued: str = ""
    cool_down: float = 0.0
    live_since: float = 0.0
    troubles: tuple[Trouble, ...] = ()
    durable: bool = True


@dataclass(frozen=True, slots=True)
class Advance:
    """The next state and what happened on the way to it. `verdicts`: by short release id, what this pass went by."""

    state: RouteState
    events: tuple[Event, ...] = ()
    verdicts: tuple[tuple[str, Verdict], ...] = ()
