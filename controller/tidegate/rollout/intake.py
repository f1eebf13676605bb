"""What git asks for against what runs: nothing new, back to stable, a former release, a rejected one, or a new one.

Neighbours: machine.py calls this first in a pass; finish.py ends what is superseded. DESIGN section 5.
"""

from __future__ import annotations

from tidegate.rollout.capacity import share_of
from tidegate.rollout.finish import install, release_standbys, standby_text, supersede
from tidegate.rollout.state import Candidate, Desired, EventKind, GitDuty, Phase, RouteState
from tidegate.rollout.steps import path
from tidegate.rollout.turn import Turn
from tidegate.spec.release import Release
from tidegate.spec.units import format_duration


def intake(turn: Turn) -> None:
    """Act on the desired release. None desired (nothing could be read) changes nothing."""
    desired, state = turn.seen.desired, turn.state
    if desired is None:
        _missing(turn)
        return
    retire = desired.policy.retire
    after = retire.after if retire is not None else None
    if state.absent_since is not None or state.retire_after != after:
        turn.set(absent_since=None, retire_after=after)
    digest = desired.release.digest
    if state.candidate is not None and state.candidate.release.digest == digest:
        _same(turn, desired, state.candidate)
    elif state.stable is not None and state.stable.digest == digest:
        if state.candidate is not None:
            supersede(turn, f"git asks for {state.stable.label} again ({desired.touched[:12]})")
        if state.skipped is not None or state.replicas != desired.replicas:
            turn.set(skipped=None, replicas=desired.replicas)
    elif is_rejected(state, desired):
        _skip(turn, desired)
    else:
        if state.candidate is not None:
            supersede(turn, f"{desired.release.label} took its place ({desired.touched[:12]})")
        _start(turn, desired)


def _missing(turn: Turn) -> None:
    """Git asks for nothing here, or cannot be read. What serves goes on, until the policy's `retire` lets it go."""
    state = turn.state
    if not turn.seen.gone:
        return
    if state.absent_since is None:
        turn.set(absent_since=turn.now)
        return
    due = state.retire_after is not None and turn.now - state.absent_since >= state.retire_after
    if due and state.candidate is not None:
        supersede(turn, "git asks for nothing here any more, and the policy's retire lets it go")
    if due and state.stable is not None:
        left = format_duration(round(turn.now - state.absent_since))
        reason = f"git has asked for nothing here for {left}, and the policy's retire lets it go"
        gone = [state.stable, *(standby.release for standby in state.standby)]
        turn.set(stable=None, standby=(), watch=None, degraded=None)
        for release in gone:
            turn.tell(EventKind.STANDBY_RELEASED, release, reason)


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
    if candidate.replicas != desired.replicas:
        turn.update(replicas=desired.replicas)
    if candidate.step < 0 and candidate.policy != desired.policy:
        turn.update(policy=desired.policy, room=_first_room(desired, candidate.config_only))


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
    if former and turn.seats_ready(release, desired.replicas):
        _go_back(turn, desired)
        return
    config_only = state.stable is not None and state.stable.workload == release.workload
    candidate = Candidate(
        release=release,
        touched=desired.touched,
        asked=desired.touched,
        phase=Phase.PREPARING,
        started_at=turn.now,
        policy=desired.policy,
        config_only=config_only,
        fast=former,
        attempt=sum(r.digest == release.digest for r in state.rejected),
        startup_timeout=desired.startup_timeout,
        replicas=desired.replicas,
        room=_first_room(desired, config_only) if state.stable is not None else 1.0,
    )
    turn.set(candidate=candidate, skipped=None)
    turn.tell(EventKind.STARTED, release, desired.reason or f"asked for by {desired.touched[:12]}")


def _first_room(desired: Desired, config_only: bool) -> float:
    """The share of its replicas that the first step takes."""
    return share_of(path(desired.policy, config_only)[0])


def _go_back(turn: Turn, desired: Desired) -> None:
    """A former release that is hot: all traffic at once, no steps."""
    old = turn.state.stable
    left = f" from {old.label}" if old is not None else ""
    reason = f"back to {desired.release.label}{left}: it is hot; {standby_text(desired.policy.standby)}"
    install(turn, desired.release, desired.touched, desired.policy.standby, reason, replicas=desired.replicas)
    turn.tell(EventKind.FAST_ROLLBACK, desired.release, reason, phase=Phase.PROMOTED)
    release_standbys(turn, old)
