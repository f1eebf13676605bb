"""Which former releases keep their artifacts: what serves or may serve, what may come back, and the newest besides. Pure.

Neighbours: the engine's retention.py has the artifacts of all others removed once nobody has needed them for long enough.
"""

from __future__ import annotations

from tidegate.rollout.state import RouteState
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release


def kept(state: RouteState, policy: PolicyFields | None) -> tuple[Release, ...]:
    """The releases of a route whose artifacts must stay: stable, candidate, standbys, those of `rollback.window`, and the

    newest `retire.keep` former ones. Without `retire`, or where git's wish cannot be read: every release that was promoted.
    """
    candidate = state.candidate.release if state.candidate is not None else None
    watched = state.watch.good if state.watch is not None else None
    needed = [state.stable, candidate, watched, *(standby.release for standby in state.standby)]
    former = state.promoted
    if policy is not None and policy.retire is not None:
        former = former[: 1 + max(policy.rollback.window, policy.retire.keep)]
    releases = (*(release for release in needed if release is not None), *former)
    return tuple({release.digest: release for release in releases}.values())
