"""Batches into the candidate's clock, counters and analysis; the verdict out of it. A breach ends the candidate here.

Neighbours: analysis/judge.py decides, finish.py rejects, holding.py and progress.py go by what stands here afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from tidegate.analysis.judge import Analysis, absorb, begin, verdict
from tidegate.analysis.model import Batch, Result
from tidegate.rollout.finish import reject
from tidegate.rollout.state import Candidate, Hold, Pairs, Phase, Seen, Trouble
from tidegate.rollout.turn import Turn
from tidegate.rollout.watch import record_of_stable
from tidegate.spec.policy import PolicyFields

COUNTS: Final = frozenset({None, Hold.NO_DATA, Hold.SOURCE_DOWN, Hold.TOO_FEW, Hold.INCONCLUSIVE, Hold.DISAGREEMENT})
"""The holds in which evidence still counts towards the step: what arrives is what was waited for."""
SPENDS: Final = COUNTS | {Hold.BOTH_ARMS, Hold.INVALID, Hold.FLAPPING, Hold.NOT_READY}
"""The holds that use up the policy's budget: all but those in which a person is waited for."""
MOST_MISSING: Final = 0.05
"""The share of a shadow's copies that may have no pair of answers: were more of them to differ, the rest would not show it."""
_WORST: Final = (Hold.CHECKER_BROKEN, Hold.SOURCE_DOWN, Hold.NO_DATA)


def gather(turn: Turn) -> None:
    """Take in the closed batches since the first step began; reject the candidate when the verdict is `fail`.

    The open batches are looked at too, for guardrails that may act on one. Before the first step nothing counts.
    """
    candidate = turn.candidate
    if candidate.step < 0 or candidate.traffic_since is None:
        return
    since, last = candidate.traffic_since, candidate.last_batch
    fresh = [batch for batch in turn.seen.batches if batch.complete and batch.id > last and batch.start >= since]
    if fresh:
        _count(turn, candidate, fresh)
    _judge(turn, turn.candidate, fresh)


def compare(turn: Turn) -> None:
    """Take in the closed windows of mirrored requests: a shadow step's clock, its gate and its guardrails run on them alone.

    Rejects the candidate when a guardrail on these pairs fails.
    """
    candidate = turn.candidate
    since = max(candidate.step_started_at, candidate.no_data_since or 0.0)
    fresh = [window for window in turn.seen.pairs if window.start >= candidate.step_started_at]
    if candidate.doing is not Phase.SHADOW or not fresh:
        return
    counts, spends = candidate.hold in COUNTS, candidate.hold in SPENDS
    told = [window for window in fresh if window.pairs]
    seconds = sum(window.end - window.start for window in told)
    turn.update(
        clock=candidate.clock + (seconds if counts else 0.0),
        step_requests=candidate.step_requests + (sum(window.pairs for window in told) if counts else 0),
        agreed=candidate.agreed + (sum(window.agreed for window in told) if counts else 0),
        missing=max(0, candidate.missing + (sum(window.missing for window in fresh) if counts else 0)),
        spent=candidate.spent + (seconds if spends else 0.0),
        no_data_since=max([since, *(window.end for window in told)]),
    )
    _judge_pairs(turn, turn.candidate, fresh)


def too_many_missing(candidate: Candidate, copied: float) -> bool:
    """Whether more copies of this shadow step have no pair of answers than may. `copied`: the share of the requests.

    Where not all are copied, how many copies there were is only reckoned: three standard deviations are put down to chance.
    """
    copies = candidate.step_requests + candidate.missing
    return candidate.missing - 3 * math.sqrt(copies * (1 - copied)) > MOST_MISSING * copies


def same_test(one: PolicyFields, other: PolicyFields) -> bool:
    """Whether two policies judge alike, so that one analysis may go on under the other."""
    return one.guardrails == other.guardrails and one.confidence == other.confidence


def is_evidence(batch: Batch) -> bool:
    """Whether a batch says something about the candidate: traffic in a part in which it has a share.

    A window in which chance sent all of a part's few requests to stable counts: the share was offered.
    """
    offered = batch.share > 0 if batch.share is not None else batch.candidate.requests > 0
    return offered and batch.candidate.requests + batch.stable.requests > 0


def covered(batches: Iterable[Batch], since: float) -> float:
    """Seconds after `since` in which there was evidence. Batches of several segments over one window count once."""
    total, reached = 0.0, since
    for batch in sorted((b for b in batches if is_evidence(b)), key=lambda b: (b.start, b.end)):
        total += max(0.0, batch.end - max(batch.start, reached))
        reached = max(reached, batch.end)
    return total


def blocking(seen: Seen, candidate: Candidate) -> Trouble | None:
    """The source that keeps the step from going on, the worst of several: a broken one, one that is down, one without data.

    While one does, the step's clock stands. Where the policy says `pass`, only a broken one does.
    """
    waived = candidate.waived or candidate.policy.no_data.action == "pass"
    stops = [one for one in seen.troubles if one.cause is Hold.CHECKER_BROKEN or not waived]
    return min(stops, key=lambda one: (_WORST.index(one.cause), one.since), default=None)


def _count(turn: Turn, candidate: Candidate, fresh: list[Batch]) -> None:
    began, live = candidate.step_started_at, turn.seen.live_since
    trouble = blocking(turn.seen, candidate)
    seconds = covered([b for b in fresh if trouble is None or b.end <= trouble.since], max(began, live))
    everything = sum(b.candidate.requests for b in fresh)
    requests = sum(b.candidate.requests for b in fresh if b.start >= began and b.end > live)
    counts, spends = candidate.hold in COUNTS, candidate.hold in SPENDS
    ends = [b.end for b in fresh if is_evidence(b)]
    turn.update(
        last_batch=max(b.id for b in fresh),
        clock=candidate.clock + (seconds if counts else 0.0),
        step_requests=candidate.step_requests + (requests if counts else 0),
        spent=candidate.spent + (seconds if spends else 0.0),
        requests=candidate.requests + (everything if spends else 0),
        no_data_since=max([candidate.no_data_since or candidate.step_started_at, *ends]),
    )


def _judge(turn: Turn, candidate: Candidate, fresh: list[Batch]) -> None:
    warm = (candidate.traffic_since or 0.0) + candidate.policy.warm_up
    judged = [batch for batch in fresh if batch.start >= warm]
    disasters = any(guardrail.immediate for guardrail in candidate.policy.guardrails)
    if not judged and not (turn.seen.open and disasters):
        return
    analysis = _analysis(candidate)
    for batch in judged:
        analysis = absorb(analysis, batch)
    if judged and candidate.policy.watch:
        turn.update(record=record_of_stable(_record(candidate), judged).to_doc())
    said = turn.owned(verdict(analysis, at=turn.now, now_open=turn.seen.open))
    if judged:
        turn.update(analysis=analysis.to_doc(), verdict=said)
    if said.result is Result.FAIL:
        turn.update(verdict=said)
        reject(turn, said.sentence)


def _judge_pairs(turn: Turn, candidate: Candidate, fresh: list[Pairs]) -> None:
    warm = (candidate.traffic_since or candidate.step_started_at) + candidate.policy.warm_up
    judged = [window for window in fresh if window.start >= warm and (window.pairs or window.shadow.requests)]
    if not judged or not any(guardrail.paired for guardrail in candidate.policy.guardrails):
        return
    analysis = _analysis(candidate)
    for window in judged:
        shadow = replace(window.shadow, counts={"agreement": (window.pairs, window.agreed)})
        number = analysis.mirrored.last + 1  # each window is told once
        analysis = absorb(analysis, Batch(number, window.start, window.end, window.stable, shadow, mirrored=True))
    said = turn.owned(verdict(analysis, at=turn.now, mirrored=True))
    turn.update(analysis=analysis.to_doc(), verdict=said)
    if said.result is Result.FAIL:
        reject(turn, said.sentence)


def _record(candidate: Candidate) -> Analysis:
    """What `watch` will hold the candidate against after its promotion: stable's windows of this rollout."""
    if candidate.record is None:
        return begin(candidate.policy.watch, candidate.policy.confidence, attempt=candidate.attempt)
    return Analysis.from_doc(candidate.record)


def _analysis(candidate: Candidate) -> Analysis:
    if candidate.analysis is None:
        return begin(candidate.policy.guardrails, candidate.policy.confidence, attempt=candidate.attempt)
    return Analysis.from_doc(candidate.analysis)
