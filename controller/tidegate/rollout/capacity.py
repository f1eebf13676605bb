"""How many replicas of what: enough for the traffic that a release has, or is about to get, before it gets it. Pure.

The stable release and a standby keep all of theirs: they may be needed whole at any moment. A candidate has as many as
its share takes. Neighbours: progress.py waits for them, the engine's needs.py runs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from tidegate.rollout.state import Candidate, Hold, RouteState
from tidegate.spec.policy import Step
from tidegate.spec.release import Release

EPSILON: Final = 1e-9
"""What a product of shares may be off by: 0.1 * 30 replicas are 3, not 4."""


def share_of(step: Step) -> float:
    """The share of its replicas that a step takes, in [0, 1]: its `capacity`, else its weight or what it mirrors.

    How much of the traffic a segment is nobody has declared, so a step with segments takes all.
    """
    if step.capacity is not None:
        return step.capacity
    if step.segments:
        return 1.0
    return step.weight if step.weight is not None else step.shadow or 0.0


def seats(replicas: int, share: float) -> int:
    """How many of `replicas` carry this share of the traffic: at least one, and never a part of one."""
    return max(1, math.ceil(replicas * share - EPSILON))


def hot_releases(state: RouteState) -> tuple[Release, ...]:
    """The releases that this route needs running: stable, candidate, standbys; in this order.

    A candidate that waits for its turn among other rollouts needs nothing yet.
    """
    trial = state.candidate
    candidate = trial.release if trial is not None and trial.hold is not Hold.QUEUED else None
    found = (state.stable, candidate, *(standby.release for standby in state.standby))
    return tuple(release for release in found if release is not None)


def replicas(state: RouteState, wished: int | None, running: Callable[[str], int]) -> dict[str, int]:
    """By workload, how many replicas this route needs. `wished` is git's number, None where git says nothing.

    `running` counts what runs of a workload: what nobody can tell otherwise stays as it is.
    """

    def known(number: int, release: Release) -> int:
        return number or wished or max(1, running(release.workload))

    needs: dict[str, int] = {}
    for release in hot_releases(state):
        standby = next((s for s in state.standby if s.release.digest == release.digest), None)
        if state.stable is not None and release.digest == state.stable.digest:
            number = known(state.replicas, release)
        elif state.candidate is not None and release.digest == state.candidate.release.digest:
            number = _of_candidate(state, state.candidate)
        else:
            number = known(standby.replicas if standby is not None else 0, release)
        needs[release.workload] = max(needs.get(release.workload, 0), number)
    return needs


def _of_candidate(state: RouteState, candidate: Candidate) -> int:
    """All of them where it is, or may be, alone: a first release, a way back, beside a stable release that is down."""
    alone = state.stable is None or candidate.fast or (state.degraded is not None and candidate.step >= 0)
    return candidate.replicas if alone else seats(candidate.replicas, candidate.room)
