"""What git asks for against what runs: nothing new, back to stable, a former release, a rejected one, or a new one.

Neighbours: machine.py calls this first in a pass; finish.py ends what is superseded. DESIGN section 5.
"""

from __future__ import annotations

from tidegate.rollout.finish import install, release_standbys, standby_text, supersede
from tidegate.rollout.state import Candidate, Desired, EventKind, GitDuty, Phase, RouteState
from tidegate.rollout.turn import Turn
from tidegate.spec.release import Release


def intake(turn: Turn) -> None:
    """Act on the desired release. None desired (nothing could be read) changes nothing."""
    desired, state = turn.seen.desired, turn.state
    if desired is None:
        return
    digest = desired.release.digest
    if state.candidate is not None and state.candidate.release.digest == digest:
        _same(turn, desired, state.candidate)
    elif state.stable is not None and state.stable.digest == digest:
        if state.candidate is not None:
            supersede(turn, f"git asks for {state.stable.label} again ({desired.touched[:12]})")
        if state.skipped is not None:
            turn.set(skipped=None)
    elif is_rejected(state, desired):
        _skip(turn, desired)
    else:
        if state.candidate is not None:
            supersede(turn, f"{desired.release.label} took its place ({desired.touched[:12]})")
        _start(turn, desired)


def is_rejected(state: RouteState, desired: Desired) -> bool:
    """Whether this very request was turned down before: the same release, asked for by the same commit.

    While git is still owed the revert, no commit asks anew: it was written before its author could know.
    """
    digest = desired.release.digest
    same = any(r.digest == digest and r.touched == desired.touched for r in state.rejected)
    return same or _owed(state, digest) is not None


def is_former(state: RouteState, release: Release, window: int) -> bool:
    """Whether a release is among the `window` last promoted before the stable one, and was not rejected since."""
    former = {r.digest for r in state.promoted[1 : window + 1]}
    return release.digest in former and not any(r.digest == release.digest for r in state.rejected)


def _owed(state: RouteState, digest: str) -> GitDuty | None:
    reverts = (duty for duty in state.duties if duty.kind == "revert" and duty.mode != "none")
    return next((duty for duty in reverts if duty.release.digest == digest), None)


def _same(turn: Turn, desired: Desired, candidate: Candidate) -> None:
    if candidate.asked != desired.touched:
        turn.update(asked=desired.touched)
    if candidate.step < 0 and candidate.policy != desired.policy:
        turn.update(policy=desired.policy)


def _skip(turn: Turn, desired: Desired) -> None:
    """Told once, and not while the revert is still on its way: git is being mended then."""
    state = turn.state
    if state.candidate is not None:
        supersede(turn, f"git no longer asks for it ({desired.touched[:12]})")
    request = f"{desired.release.id}@{desired.touched}"
    if state.skipped == request or _owed(state, desired.release.digest) is not None:
        return
    rejection = next(r for r in reversed(state.rejected) if r.digest == desired.release.digest)
    turn.set(skipped=request)
    reason = f"rejected before: {rejection.reason}; a newer commit that touches it tries it again"
    turn.tell(EventKind.SKIPPED_REJECTED, desired.release, reason, phase=Phase.ROLLED_BACK)


def _start(turn: Turn, desired: Desired) -> None:
    state, release = turn.state, desired.release
    former = is_former(state, release, desired.policy.rollback.window)
    if former and turn.ready(release):
        _go_back(turn, desired)
        return
    candidate = Candidate(
        release=release,
        touched=desired.touched,
        asked=desired.touched,
        phase=Phase.PREPARING,
        started_at=turn.now,
        policy=desired.policy,
        config_only=state.stable is not None and state.stable.workload == release.workload,
        fast=former,
        attempt=sum(r.digest == release.digest for r in state.rejected),
        startup_timeout=desired.startup_timeout,
    )
    turn.set(candidate=candidate, skipped=None)
    turn.tell(EventKind.STARTED, release, desired.reason or f"asked for by {desired.touched[:12]}")


def _go_back(turn: Turn, desired: Desired) -> None:
    """A former release that is hot: all traffic at once, no steps."""
    old = turn.state.stable
    left = f" from {old.label}" if old is not None else ""
    reason = f"back to {desired.release.label}{left}: it is hot; {standby_text(desired.policy.standby)}"
    install(turn, desired.release, desired.touched, desired.policy.standby, reason)
    turn.tell(EventKind.FAST_ROLLBACK, desired.release, reason, phase=Phase.PROMOTED)
    release_standbys(turn, old)
