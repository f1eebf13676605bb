"""A candidate going forward: from its validation into the first step, from step to step, and to its promotion.

Neighbours: steps.py says when a step is over, holding.py what holds, finish.py how it ends. DESIGN section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tidegate.analysis.judge import Analysis, renew
from tidegate.analysis.model import Result
from tidegate.rollout.capacity import share_of
from tidegate.rollout.evidence import MOST_MISSING, blocking, same_test, too_many_missing
from tidegate.rollout.finish import promote, reject, standby_text
from tidegate.rollout.holding import BROKEN, Wait, cause, resume, settle
from tidegate.rollout.room import enlarge, wanting
from tidegate.rollout.state import Candidate, EventKind, Hold, Phase
from tidegate.rollout.steps import budget_used, following, missing_requests, path, present, startup_budget
from tidegate.rollout.turn import Turn
from tidegate.spec.policy import Guardrail, PolicyFields, Step
from tidegate.spec.units import format_duration, format_share

TOLERANCE: Final = 1e-6
"""Seconds that the sum of many windows may fall short by rounding."""


def go_on(turn: Turn) -> None:
    """Hold, resume, begin the next step or promote: whichever the state of this pass asks for."""
    wait = cause(turn)
    if turn.state.candidate is None:
        return
    candidate = turn.candidate
    if wait is not None and wait.cause in BROKEN:
        budget = _policy(turn, candidate).budget
        used = budget_used(candidate, budget)
        if used and budget is not None and budget.then == "rollback":
            reject(turn, f"{used}, and the policy's budget says rollback: {wait.reason}")
            return
    if wait is None and candidate.validated and turn.state.stable is not None:
        wait = _forward(turn, candidate)
        if turn.state.candidate is None or turn.candidate.step != candidate.step:
            return
    settle(turn, wait)


def _forward(turn: Turn, candidate: Candidate) -> Wait | None:
    """Begin the next step, or promote, when the present one is over; else what it waits for (None: its time)."""
    step = present(candidate)
    if step is not None:
        left = step.duration - candidate.clock
        if left <= startup_budget(candidate):
            enlarge(turn, _next_share(turn, candidate))
        if left > TOLERANCE:
            return None
        missing = missing_requests(candidate, step)
        what = "requests" if step.shadow is None else "pairs of answers"
        if missing:
            total = candidate.step_requests + missing
            wait = Wait(Hold.TOO_FEW, f"step '{step.name}': {candidate.step_requests} of {total} {what} seen")
            wait_or_none = _undecided(turn, candidate, wait)
            if wait_or_none is not None or turn.state.candidate is None:
                return wait_or_none
        for gate in (_unseen, _incomplete, _disagreement, _unshown):
            wait_or_none = gate(turn, candidate, step)
            if wait_or_none is not None or turn.state.candidate is None:
                return wait_or_none
    policy = _policy(turn, candidate)
    index = following(candidate, policy)
    if index is None:
        return _promotion(turn, candidate)
    return _begin(turn, candidate, policy, index)


def _incomplete(turn: Turn, candidate: Candidate, step: Step) -> Wait | None:
    """A shadow step too many of whose copies nobody answered: the pairs that are left show nothing."""
    if step.shadow is None or candidate.waived or not too_many_missing(candidate, step.shadow):
        return None
    copies = candidate.step_requests + candidate.missing
    seen = f"step '{step.name}': {candidate.missing:,} of {copies:,} copies have no pair of answers to compare"
    return _without_data(turn, candidate, f"{seen}, at most {format_share(MOST_MISSING)} may: the others show nothing")


def _unshown(turn: Turn, candidate: Candidate, step: Step) -> Wait | None:
    """A shadow step whose pairs have not excluded a margin: none come after it. The budget may decide."""
    said = candidate.verdict
    if step.shadow is None or candidate.waived or said is None:
        return None
    judged = zip(candidate.policy.guardrails, said.judgements, strict=True)
    open_ = next((j for g, j in judged if g.paired and g.margin is not None and not j.excluded), None)
    if open_ is None:
        return None
    return _undecided(turn, candidate, Wait(Hold.INCONCLUSIVE, f"step '{step.name}': {open_.sentence}"))


def _disagreement(turn: Turn, candidate: Candidate, step: Step) -> Wait | None:
    """A shadow step's gate: do enough of the pairs agree, for git's newest policy? The budget may decide when they never do."""
    newest = path(_policy(turn, candidate), candidate.config_only)
    bound = next((one.agreement for one in newest if one.name == step.name), None)
    if bound is None or candidate.waived or not candidate.step_requests:
        return None
    share = candidate.agreed / candidate.step_requests
    low, high = bound.min, bound.max
    if (low is None or share >= low) and (high is None or share <= high):
        return None
    limit = (
        f"at least {format_share(low)}" if low is not None and share < low else f"at most {format_share(high or 0.0)}"
    )
    seen = f"step '{step.name}': {share:.1%} of {candidate.step_requests:,} pairs of answers agree"
    return _undecided(turn, candidate, Wait(Hold.DISAGREEMENT, f"{seen}, {limit} is asked for"))


def _next_share(turn: Turn, candidate: Candidate) -> float:
    """The share of its replicas that the next step takes, or the promotion."""
    policy = _policy(turn, candidate)
    index = following(candidate, policy)
    return share_of(path(policy, candidate.config_only)[index]) if index is not None else 1.0


def _unseen(turn: Turn, candidate: Candidate, step: Step) -> Wait | None:
    """A guardrail whose metric never came: no step ends on that, until the policy's no_data says so."""
    said = candidate.verdict
    if step.shadow is not None and not candidate.waived:
        rails = candidate.policy.guardrails
        seen = [j.result is not Result.NO_DATA for j in said.judgements] if said is not None else [False] * len(rails)
        unjudged = [g.metric for g, has_data in zip(rails, seen, strict=True) if g.paired and not has_data]
        if unjudged and not _pairs_judged(candidate):
            over = format_duration(candidate.policy.warm_up)
            wait = Wait(Hold.TOO_FEW, f"step '{step.name}': nothing is judged in the first {over}, the warm-up")
            return _undecided(turn, candidate, wait)
        if unjudged:
            return _without_data(turn, candidate, f"{unjudged[0]}: no pair of answers says anything about it")
    if said is None or said.result is not Result.NO_DATA:
        return None
    return _without_data(turn, candidate, said.sentence)


def _pairs_judged(candidate: Candidate) -> bool:
    """Whether a window of pairs was taken in since the warm-up."""
    return candidate.analysis is not None and Analysis.from_doc(candidate.analysis).mirrored.last >= 0


def _without_data(turn: Turn, candidate: Candidate, sentence: str) -> Wait | None:
    """What the policy's no_data makes of a step that would end without what it has to show."""
    policy = candidate.policy.no_data
    held = candidate.hold is Hold.NO_DATA and turn.now - candidate.hold_since >= policy.duration
    action = policy.then if held else policy.action
    if action == "rollback":
        reject(turn, f"{sentence}, and the policy's no_data says rollback")
        return None
    return None if action == "pass" else Wait(Hold.NO_DATA, sentence)


def _policy(turn: Turn, candidate: Candidate) -> PolicyFields:
    """The policy that the next step begins under: git's newest."""
    desired = turn.seen.desired
    if desired is None or desired.release.digest != candidate.release.digest:
        return candidate.policy
    return desired.policy


def _begin(turn: Turn, candidate: Candidate, policy: PolicyFields, index: int) -> Wait | None:
    step = path(policy, candidate.config_only)[index]
    mirrors = step.shadow is not None
    if mirrors and not turn.seen.mirroring:
        return Wait(
            Hold.UNSUPPORTED,
            f"step '{step.name}' mirrors traffic, which the gateway cannot do just now: "
            "take the step out of the policy to go on",
        )
    approvals = turn.seen.desired.approvals if turn.seen.desired is not None else ()
    if step.approve == "manual" and step.name not in approvals:
        typed = f"tidegate approve {turn.state.route} {step.name}"
        return Wait(Hold.APPROVAL, f"step '{step.name}' waits for a person: add '{step.name}' to approvals ({typed})")
    short = wanting(turn, share_of(step), f"step '{step.name}'")
    if short is not None:
        return short.wait
    candidate = turn.candidate
    if not turn.seen.durable or blocking(turn.seen, candidate) is not None:
        return None
    if candidate.phase is Phase.HOLDING:
        resume(turn)
    keep = candidate.step < 0 or same_test(candidate.policy, policy)
    watched = candidate.policy.watch == policy.watch
    known = candidate.record or candidate.analysis
    since = candidate.traffic_since
    turn.move(
        Phase.SHADOW if mirrors else Phase.SHIFTING,
        step=index,
        policy=policy,
        step_started_at=turn.now,
        clock=0.0,
        step_requests=0,
        agreed=0,
        missing=0,
        holds=0,
        waived=False,
        no_data_since=turn.now,
        traffic_since=turn.now if since is None and not mirrors else since,
        analysis=candidate.analysis if keep else _renewed(candidate.analysis, policy.guardrails, policy.confidence),
        verdict=candidate.verdict if keep else None,
        record=candidate.record if watched else _renewed(known, policy.watch, policy.confidence),
        room=max(candidate.room, share_of(step)),
    )
    turn.tell(EventKind.STEP, candidate.release, _describe(step))
    return None


def _renewed(
    known: Mapping[str, Any] | None, guardrails: tuple[Guardrail, ...], confidence: float
) -> dict[str, Any] | None:
    """The analysis under edited guardrails, with what was known of stable."""
    return renew(Analysis.from_doc(known), guardrails, confidence).to_doc() if known is not None else None


def _promotion(turn: Turn, candidate: Candidate) -> Wait | None:
    """Promote when every margin is excluded; silence promotes nobody."""
    said = candidate.verdict
    open_margins = any(g.margin is not None and not g.paired for g in candidate.policy.guardrails)
    shown = said.promotable and said.result is not Result.INCONCLUSIVE if said is not None else not open_margins
    if not shown:
        sentence = said.sentence if said is not None else "nothing was seen yet"
        wait = Wait(Hold.INCONCLUSIVE, f"its steps are over, but it is not shown to be good enough yet: {sentence}")
        wait_or_none = _undecided(turn, candidate, wait)
        if wait_or_none is not None or turn.state.candidate is None:
            return wait_or_none
    if not turn.seen.durable or blocking(turn.seen, candidate) is not None:
        return None
    short = wanting(turn, 1.0, "all of the traffic")
    if short is not None:
        return short.wait
    sentence = said.sentence if said is not None else "all steps are over"
    promote(turn, f"{sentence}; {standby_text(candidate.policy.standby)}")
    return None


def _undecided(turn: Turn, candidate: Candidate, wait: Wait) -> Wait | None:
    """What git's newest budget makes of a step that is over and has not shown enough: None lets it go on all the same."""
    budget = _policy(turn, candidate).budget
    used = budget_used(candidate, budget)
    if not used or budget is None:
        return wait
    if budget.then == "promote":
        return None
    if budget.then == "rollback":
        reject(turn, f"{used}, and the policy's budget says rollback: {wait.reason}")
        return None
    return Wait(Hold.INCONCLUSIVE, f"{used} and nothing is decided: {wait.reason}")


def _describe(step: Step) -> str:
    parts = [f"a copy of {format_share(step.shadow)}"] if step.shadow is not None else []
    parts += [f"segments {', '.join(step.segments)}"] if step.segments else []
    parts += [format_share(step.weight)] if step.weight is not None else []
    parts += [f"{format_share(step.holdback)} held back"] if step.holdback else []
    parts += [f"for {format_duration(step.duration)}"] if step.duration else []
    what = "requests" if step.shadow is None else "pairs of answers"
    parts += [f"at least {step.min_requests} {what}"] if step.min_requests else []
    return ", ".join(parts)
