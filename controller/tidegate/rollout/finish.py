"""How a candidate ends: promoted, rolled back or superseded; and what stays hot, remembered and owed to git after it.

Neighbours: intake.py, prepare.py and progress.py decide on the end; the engine fulfils the duties. DESIGN section 5.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.rollout.state import Candidate, EventKind, GitDuty, Phase, Rejection, RouteState, Standby, Watch
from tidegate.rollout.turn import Turn
from tidegate.spec.release import Release
from tidegate.spec.units import format_duration

REMEMBERED = 100
"""Promotions and rejections that a route keeps."""


def promote(turn: Turn, reason: str) -> None:
    """The candidate becomes the stable release, the old one a hot standby. A `fast` one says so by its event."""
    kind = EventKind.FAST_ROLLBACK if turn.candidate.fast else EventKind.PROMOTED
    old = turn.state.stable
    ended = turn.end(Phase.PROMOTED)
    install(turn, ended.release, ended.touched, ended.policy.standby, reason, replicas=ended.replicas)
    begin_watch(turn, ended, old)
    turn.tell(kind, ended.release, reason, phase=Phase.PROMOTED, of=ended)
    release_standbys(turn, old)


def install(turn: Turn, release: Release, commit: str, standby: float, reason: str, *, replicas: int) -> None:
    """Make `release` the stable one, remember it, and owe git the note. `standby` in seconds, for the one before."""
    state = turn.state
    old = state.stable
    gone = {release.digest} | ({old.digest} if old is not None else set())
    kept = tuple(s for s in state.standby if s.release.digest not in gone)
    if old is not None and standby > 0:
        kept = (Standby(old, turn.now + standby, state.replicas), *kept)
    duty = GitDuty(_duty_id("promote", release, commit, turn.now), "promote", release, commit, reason)
    turn.set(
        stable=release,
        standby=kept,
        promoted=(release, *(r for r in state.promoted if r.digest != release.digest))[:REMEMBERED],
        rejected=tuple(r for r in state.rejected if r.digest != release.digest),
        duties=(*state.duties, duty),
        degraded=None,
        skipped=None,
        replicas=replicas,
        watch=None,
    )


def begin_watch(turn: Turn, ended: Candidate, old: Release | None) -> None:
    """Guardrails that stay on for as long as the release before is hot. Nobody watches a way back: a person chose it."""
    policy = ended.policy
    if not policy.watch or ended.fast or policy.standby <= 0:
        return
    until = turn.now + policy.standby
    watch = Watch(
        ended.release, ended.touched, policy, turn.now, until, old, ended.record, begun=turn.now, read_to=turn.now
    )
    turn.set(watch=watch)


def take_back(turn: Turn, watch: Watch, good: Standby, reason: str) -> None:
    """After its promotion: traffic goes back to the release before at once, and git is owed the revert, as for a breach."""
    state, bad, desired = turn.state, watch.release, turn.seen.desired
    asked = desired.touched if desired is not None and desired.release.digest == bad.digest else watch.touched
    mode = watch.policy.rollback.git
    revert = GitDuty(_duty_id("revert", bad, watch.touched, turn.now), "revert", bad, asked, reason, good.release, mode)
    back = GitDuty(
        _duty_id("promote", good.release, good.release.commit, turn.now),
        "promote",
        good.release,
        good.release.commit,
        f"back from {bad.label}: {reason}",
    )
    digests = {good.release.digest, bad.digest}
    turn.set(
        stable=good.release,
        standby=tuple(s for s in state.standby if s.release.digest not in digests),
        promoted=(good.release, *(r for r in state.promoted if r.digest not in digests)),
        rejected=(*state.rejected, Rejection(bad.digest, asked, reason, turn.now))[-REMEMBERED:],
        duties=(*state.duties, revert, back),
        degraded=None,
        skipped=None,
        replicas=good.replicas or state.replicas,
        watch=None,
    )
    turn.tell(EventKind.ROLLED_BACK, bad, reason, phase=Phase.ROLLED_BACK)


def release_standbys(turn: Turn, newest: Release | None = None) -> None:
    """Let go of standbys whose time is over, and of older ones: a route keeps one, and what costs no container more.

    `newest`: the release that has just become a standby.
    """
    state, kept = turn.state, list[Standby]()
    free = {state.stable.workload} if state.stable is not None else set()
    for standby in state.standby:
        extra = any(s.release.workload not in free for s in kept)
        shares = standby.release.workload in free | {s.release.workload for s in kept}
        if turn.now >= standby.until:
            reason = "its standby time is over"
        elif extra and not shares:
            reason = f"{newest.label} took its place" if newest is not None else "a newer release took its place"
        else:
            kept.append(standby)
            continue
        turn.set(standby=tuple(s for s in turn.state.standby if s is not standby))
        turn.tell(EventKind.STANDBY_RELEASED, standby.release, reason)


def reject(turn: Turn, reason: str) -> None:
    """The candidate loses its weight now; it and the commit that asks for it are remembered; git is owed a revert."""
    asked = turn.candidate
    rejection = Rejection(asked.release.digest, asked.asked or asked.touched, reason, turn.now)
    duty = GitDuty(
        _duty_id("revert", asked.release, asked.touched, turn.now),
        "revert",
        asked.release,
        rejection.touched,
        reason,
        good=turn.state.stable,
        mode=asked.policy.rollback.git,
    )
    ended = turn.end(
        Phase.ROLLED_BACK,
        rejected=(*turn.state.rejected, rejection)[-REMEMBERED:],
        duties=(*turn.state.duties, duty),
        skipped=None,
    )
    turn.tell(EventKind.ROLLED_BACK, ended.release, reason, phase=Phase.ROLLED_BACK, of=ended)


def supersede(turn: Turn, reason: str) -> Candidate:
    """The candidate loses its weight now, and nothing is held against it. Returns it as it was."""
    ended = turn.end(Phase.SUPERSEDED)
    turn.tell(EventKind.SUPERSEDED, ended.release, reason, phase=Phase.SUPERSEDED, of=ended)
    return ended


def fulfilled(state: RouteState, duty_id: str) -> RouteState:
    """The state once git has been told: without that duty."""
    return replace(state, duties=tuple(duty for duty in state.duties if duty.id != duty_id))


def standby_text(seconds: float) -> str:
    """How long the release before stays hot, in words."""
    return f"the one before stays hot for {format_duration(seconds)}" if seconds > 0 else "the one before is let go"


def _duty_id(kind: str, release: Release, commit: str, now: float) -> str:
    return f"{kind}-{release.id}-{commit[:12]}-{round(now * 1000)}"
