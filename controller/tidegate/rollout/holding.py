"""What keeps a candidate from going on, judged anew in each pass: a person, its workload, silence, a broken world.

A hold keeps the weights. Causes that evidence gives last until it was calm for a while, longer each time in one step.
Neighbours: progress.py adds what the step itself still waits for, and applies the outcome. DESIGN section 5.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tidegate.analysis.model import Result
from tidegate.rollout.evidence import blocking
from tidegate.rollout.finish import reject
from tidegate.rollout.state import Candidate, EventKind, Hold, Phase
from tidegate.rollout.steps import startup_budget
from tidegate.rollout.turn import Turn
from tidegate.spec.units import format_duration

SILENT: Final = frozenset({Hold.NO_DATA, Hold.SOURCE_DOWN})
BROKEN: Final = frozenset({Hold.BOTH_ARMS, Hold.INVALID, Hold.FLAPPING})
PERSON: Final = frozenset({
    Hold.MANUAL, Hold.APPROVAL, Hold.UNSUPPORTED, Hold.QUEUED, Hold.COOLING, Hold.VALIDATION, Hold.CHECKER_BROKEN,
})  # fmt: skip
"""The holds that wait for something outside the rollout: silence says nothing then, and no budget is used up."""
CALM_BATCHES: Final = 3
CALM_LEAST: Final = 5.0
"""Seconds of silence that reading the record may cost on a busy machine, however short the batches are."""
FLAPS: Final = 3


class Wait(NamedTuple):
    """Why a candidate waits: the cause, and the sentence for people."""

    cause: Hold
    reason: str


def cause(turn: Turn) -> Wait | None:
    """The first cause to hold that stands now, None when nothing does. May reject, when the policy's time is over."""
    candidate = turn.candidate
    if turn.queued:
        return Wait(Hold.QUEUED, turn.queued)
    if turn.held_by_hand:
        return Wait(Hold.MANUAL, _by_hand(turn))
    if candidate.step < 0:
        return _unproven(turn, candidate) or _baseline(turn, candidate) or _cooling(turn, candidate)
    if candidate.doing is Phase.SHADOW and not turn.seen.mirroring:
        return Wait(Hold.UNSUPPORTED, "the gateway mirrors nothing just now: the step's clock stands still")
    if not turn.ready(candidate.release):
        why = turn.seen.why.get(candidate.release.workload) or f"its workload is {turn.readiness(candidate.release)}"
        return Wait(Hold.NOT_READY, f"{candidate.release.label} is not ready: {why}")
    wait = _silence(turn, candidate)
    if wait is not None or turn.state.candidate is None:
        return wait
    wait = _without_source(turn, turn.candidate)
    if wait is not None or turn.state.candidate is None:
        return wait
    return _broken(turn, turn.candidate)


def settle(turn: Turn, wait: Wait | None) -> None:
    """Hold, go on holding for another cause, or resume; each told once."""
    candidate = turn.candidate
    if wait is None:
        if candidate.phase is Phase.HOLDING:
            resume(turn)
        return
    if candidate.hold is wait.cause:
        return
    turn.move(
        Phase.HOLDING,
        hold=wait.cause,
        hold_since=turn.now,
        hold_reason=wait.reason,
        resume_phase=candidate.doing,
        calm_since=None,
        holds=candidate.holds + (wait.cause in SILENT | BROKEN),
    )
    turn.tell(EventKind.HELD, candidate.release, wait.reason)


def resume(turn: Turn) -> None:
    """End the hold; told with its cause and how long it was."""
    candidate = turn.candidate
    held = format_duration(round(turn.now - candidate.hold_since))
    since = candidate.no_data_since
    turn_came = candidate.hold is Hold.QUEUED
    turn.move(
        candidate.doing,
        hold=None,
        hold_since=0.0,
        hold_reason="",
        resume_phase=None,
        calm_since=None,
        waiting_since=None,
        no_data_since=max(since, turn.now) if since is not None else None,
        started_at=turn.now if turn_came else candidate.started_at,
    )
    turn.tell(EventKind.RESUMED, candidate.release, f"held for {held} ({candidate.hold}), goes on")


def patience(candidate: Candidate) -> float:
    """Seconds of silence that are borne before a hold, and of calm that end one; doubled with each hold of a step."""
    counted = candidate.holds - (candidate.hold in SILENT | BROKEN)
    return float(max(CALM_BATCHES * candidate.policy.batch, CALM_LEAST) * 2 ** min(max(counted, 0), 10))


def _by_hand(turn: Turn) -> str:
    if turn.seen.desired is None and turn.seen.gone:
        return "git asks for nothing here any more: put the deployment back to go on"
    return f"hold: true in git; take it out to go on (tidegate resume {turn.state.route})"


def _unproven(turn: Turn, candidate: Candidate) -> Wait | None:
    """A validation that cannot be done: a broken checker is no bad release, and no proof of a good one."""
    why = turn.seen.unproven.get(candidate.release.digest)
    if why is None or candidate.validated or candidate.doing is not Phase.VALIDATING:
        return None
    return Wait(Hold.VALIDATION, f"{candidate.release.label} cannot be validated: {why}")


def _cooling(turn: Turn, candidate: Candidate) -> Wait | None:
    """After a rejection, users are left in peace for a while before the next release of the route is tried on them."""
    if not candidate.validated or candidate.fast or turn.state.stable is None or not turn.state.rejected:
        return None
    passed = turn.now - max(rejection.at for rejection in turn.state.rejected)
    if not 0 <= passed < turn.seen.cool_down:
        return None
    ago, rest = format_duration(round(passed)), format_duration(turn.seen.cool_down)
    return Wait(Hold.COOLING, f"a release of this route was rejected {ago} ago: the next is tried {rest} after that")


def _baseline(turn: Turn, candidate: Candidate) -> Wait | None:
    """Before the first step: a stable release that is still starting (a rebuilt host) is given its time to.

    Time in which nobody looked is none that it had.
    """
    stable = turn.state.stable
    if not candidate.validated or stable is None or turn.ready(stable):
        return None
    if any(turn.ready(standby.release) for standby in turn.state.standby):
        return None
    since = max(candidate.hold_since, turn.seen.awake_since)
    if candidate.hold is Hold.NOT_READY and turn.now - since >= startup_budget(candidate):
        return None
    return Wait(Hold.NOT_READY, f"the stable release {stable.label} is not ready: there is nothing to compare with")


def _silence(turn: Turn, candidate: Candidate) -> Wait | None:
    """No evidence: hold, then what the policy says. A dead source takes nothing back unless the policy says so."""
    if candidate.hold in PERSON or candidate.hold is Hold.NOT_READY or candidate.no_data_since is None:
        return None  # nothing could come meanwhile: the silence begins anew
    seen, policy = turn.seen, candidate.policy.no_data
    until = turn.now if seen.read_to is None or not seen.source_up else min(seen.read_to, turn.now)
    silent = until - candidate.no_data_since
    if silent < patience(candidate):
        return None
    held = candidate.hold in SILENT
    down = candidate.hold is Hold.SOURCE_DOWN if held else not seen.source_up
    patient = not held or until - candidate.hold_since < policy.duration
    action, written = (policy.action, "action") if patient else (policy.then, "then")
    nothing = "no requests to judge it by"
    if candidate.doing is Phase.SHADOW:
        lost = f" ({candidate.missing:,} copies have none)" if candidate.missing else ""
        nothing = f"no pairs of answers to judge it by{lost}"
    what = "the metric source is down" if down else nothing
    if action == "rollback" and (not down or written in policy.model_fields_set):
        reject(turn, f"{what} for {format_duration(round(silent))}, and the policy's no_data says rollback")
        return None
    if action == "pass" or candidate.waived:
        turn.update(clock=candidate.clock + silent, waived=True, no_data_since=until, spent=candidate.spent + silent)
        return None
    cause = Hold.SOURCE_DOWN if down else Hold.NO_DATA
    return Wait(cause, f"{what} for {format_duration(round(silent))}: the step's clock stands still")


def _without_source(turn: Turn, candidate: Candidate) -> Wait | None:
    """A source besides the record that gives nothing: hold, then what the policy says of silence.

    A dead one takes nothing back unless the policy says so, and a broken checker never does: that is no bad model, and
    no proof of a good one, so no policy goes on without it either.
    """
    trouble = blocking(turn.seen, candidate)
    if trouble is None or (candidate.hold in PERSON and candidate.hold is not Hold.CHECKER_BROKEN):
        return None
    held = candidate.hold is trouble.cause
    lasts = turn.now - trouble.since
    if not held and lasts < patience(candidate):
        return None
    wait = Wait(trouble.cause, f"{trouble.why}; the step's clock stands still")
    policy = candidate.policy.no_data
    patient = not held or turn.now - candidate.hold_since < policy.duration
    action, written = (policy.action, "action") if patient else (policy.then, "then")
    if trouble.cause is Hold.CHECKER_BROKEN or action == "hold":
        return wait
    if action == "pass":
        turn.update(waived=True)
        return None
    if trouble.cause is Hold.SOURCE_DOWN and written not in policy.model_fields_set:
        return wait
    reject(turn, f"{trouble.why}, for {format_duration(round(lasts))}, and the policy's no_data says rollback")
    return None


def _broken(turn: Turn, candidate: Candidate) -> Wait | None:
    """Both arms broken, or an invalid comparison: hold until it was calm for long enough."""
    said = candidate.verdict
    if said is not None and said.result in (Result.BOTH_ARMS, Result.INVALID):
        if candidate.calm_since is not None:
            turn.update(calm_since=None)
        if candidate.hold in BROKEN and candidate.hold is not None:
            return Wait(candidate.hold, candidate.hold_reason)
        if candidate.holds >= FLAPS:
            return Wait(Hold.FLAPPING, f"held {candidate.holds + 1} times in this step: {said.sentence}")
        return Wait(Hold.BOTH_ARMS if said.result is Result.BOTH_ARMS else Hold.INVALID, said.sentence)
    if candidate.hold not in BROKEN or candidate.hold is None:
        return None
    reached = candidate.no_data_since or turn.now
    if candidate.calm_since is None:
        turn.update(calm_since=reached)
    elif reached - candidate.calm_since >= patience(candidate):
        return None
    return Wait(candidate.hold, candidate.hold_reason)
