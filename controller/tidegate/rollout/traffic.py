"""Who answers: weights per release and segment, and what has to run, from the state and the readiness alone. Pure.

Neighbours: machine.py moves the state; the engine turns a Traffic into the gateway's table. DESIGN section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.rollout.capacity import hot_releases
from tidegate.rollout.state import Candidate, Readiness, RouteState
from tidegate.rollout.steps import path, present
from tidegate.spec.release import Release

WHOLE = 1_000_000
"""All of the traffic, in the millionths that weights are counted in."""


@dataclass(frozen=True, slots=True)
class TrafficArm:
    """One release's share in millionths: `weight` of the traffic no segment matches, `segments` where it differs.

    `role` is stable, candidate or standby. An arm of weight 0 is one that may get traffic soon.
    """

    release: Release
    role: str
    weight: int
    segments: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The split of one route. The weights of all arms, and those of each segment, sum to exactly one million.

    A segment that no arm names is split like the rest. No arms: nothing has been promoted yet, so nobody may answer.
    `moving` True while a rollout may change the weights. `mirror`: the share of the requests, in millionths, of which the
    candidate gets a copy whose answer goes to nobody.
    """

    arms: tuple[TrafficArm, ...] = ()
    moving: bool = False
    mirror: int = 0

    @property
    def weights(self) -> dict[str, float]:
        """Percent of the unsegmented traffic by short release id, zeros left out."""
        return {arm.release.id: arm.weight * 100 / WHOLE for arm in self.arms if arm.weight}

    def share(self, digest: str, segment: str | None = None) -> float:
        """The share in [0, 1] that a release has of a segment's traffic, or of the rest (None)."""
        arm = next((arm for arm in self.arms if arm.release.digest == digest), None)
        if arm is None:
            return 0.0
        return (arm.weight if segment is None else arm.segments.get(segment, arm.weight)) / WHOLE


def declared_share(candidate: Candidate | None) -> tuple[float, dict[str, float]]:
    """The candidate's share by its present step, in [0, 1]: of the segments that it names, and of the rest."""
    if candidate is None or candidate.step < 0:
        return 0.0, {}
    steps = path(candidate.policy, candidate.config_only)
    step = steps[min(candidate.step, len(steps) - 1)]
    top = 1.0 - (step.holdback or 0.0)
    return min(step.weight or 0.0, top), dict.fromkeys(step.segments, top)


def traffic(state: RouteState, ready: Mapping[str, Readiness]) -> Traffic:
    """The split that the state asks for among what is ready (by workload digest).

    A candidate that is not ready gets nothing. When the stable release is not ready, a ready standby takes its place,
    else a candidate that has begun its steps takes all; with nothing ready the stable release keeps its share.
    """

    def up(release: Release) -> bool:
        return ready.get(release.workload) is Readiness.READY

    stable, candidate = state.stable, state.candidate
    if stable is None:
        return Traffic()
    rest, segments = declared_share(candidate) if candidate and up(candidate.release) else (0.0, {})
    base, role = stable, "stable"
    if not up(stable):
        taken = {stable.digest} | ({candidate.release.digest} if candidate else set())
        standby = next((s.release for s in state.standby if up(s.release) and s.release.digest not in taken), None)
        if standby is not None:
            base, role = standby, "standby"
        elif candidate is not None and candidate.step >= 0 and up(candidate.release):
            rest, segments = 1.0, {}
    theirs = round(rest * WHOLE)
    split = {name: round(share * WHOLE) for name, share in segments.items()}
    arms = [TrafficArm(base, role, WHOLE - theirs, {name: WHOLE - share for name, share in split.items()})]
    none = dict.fromkeys(split, 0)
    if base is not stable:
        arms.insert(0, TrafficArm(stable, "stable", 0, none))
    if candidate is not None and candidate.validated and (theirs or split or up(candidate.release)):
        arms.append(TrafficArm(candidate.release, "candidate", theirs, split))
    named = {arm.release.digest for arm in arms}
    arms += [
        TrafficArm(s.release, "standby", 0, none)
        for s in state.standby
        if up(s.release) and s.release.digest not in named
    ]
    mirror = _mirrored(candidate) if candidate is not None and up(candidate.release) and not rest else 0
    return Traffic(tuple(arms), candidate is not None and candidate.validated, mirror)


def _mirrored(candidate: Candidate) -> int:
    """The share that the candidate's present step copies, in millionths; a hold keeps it, as it keeps the weights."""
    step = present(candidate)
    return round(step.shadow * WHOLE) if step is not None and step.shadow is not None else 0


def hot(state: RouteState) -> frozenset[str]:
    """The workloads that this route needs running: of its stable release, its candidate and its standbys."""
    return frozenset(release.workload for release in hot_releases(state))


def may_stop(states: Iterable[RouteState], running: Iterable[str]) -> frozenset[str]:
    """Those of the `running` workloads that no route needs: routes share workloads, so all states are asked."""
    needed = frozenset().union(*(hot(state) for state in states))
    return frozenset(running) - needed
