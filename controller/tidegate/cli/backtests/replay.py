"""Recorded traffic through the controller's own analysis: records into batches, batches into the judge, a verdict for each trial.

Neighbours: log.py reads, analysis/ decides (the same code as in a rollout), show.py tells. docs/how-to/backtest.md says what
of a policy a log can answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final

from tidegate.analysis.batches import Batcher
from tidegate.analysis.judge import Analysis, absorb, begin, verdict
from tidegate.analysis.model import Result, Verdict
from tidegate.analysis.opinions import opinion
from tidegate.cli.backtests.log import Counts, Log, Record, moment
from tidegate.engine.trail import Trail
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.policy import PolicyFields

LEAST: Final = 100
"""Candidate requests without which nothing passes (analysis/guards.py)."""


@dataclass(slots=True)
class Traffic:
    """What a log has of one candidate's time, whether it was judged to its end or failed before. Complete once all is read."""

    release: str | None = None
    began: float = 0.0
    candidate: int = 0
    stable: int = 0
    last: Record | None = None

    @property
    def share(self) -> float:
        """The candidate's part of the requests, in [0, 1]."""
        return self.candidate / (self.candidate + self.stable) if self.candidate else 0.0

    @property
    def seconds(self) -> float:
        """From the candidate's first request to the last line."""
        ended = moment(self.last) if self.last is not None else None
        return max(ended - self.began, 0.0) if ended is not None else 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate's time in a log, judged. Times in epoch seconds; `at` is when it was decided: at the end, or sooner.

    `release` as the log names it; `traffic` is all that the log has of it. `late`, `dropped`, `malformed`: the batcher's counts.
    """

    release: str | None
    verdict: str
    cause: str | None
    said: Verdict
    analysis: Analysis
    trail: Trail
    traffic: Traffic
    at: float
    late: int = 0
    dropped: int = 0
    malformed: int = 0

    @property
    def began(self) -> float:
        """When the candidate's first request began, in epoch seconds."""
        return self.traffic.began


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy makes of a log: its trials in order (an empty one where no candidate was tried), and what was read."""

    trials: tuple[Trial, ...]
    counts: Counts

    @property
    def decisive(self) -> Trial:
        """The first trial that failed; else the last one."""
        return next((trial for trial in self.trials if trial.verdict == "fail"), self.trials[-1])


def replay(log: Log, policy: PolicyFields, *, trail: bool = False) -> Outcome:
    """Judge every trial of the log. `trail`: keep the evidence over time, for a figure; it costs as much as the judging.

    Raises NeedsPerson when the log cannot be read, or the policy's weights cannot be used.
    """
    counts, border = Counts(), _Border()
    trials = []
    for number, records in groupby(log.records(counts), key=border):
        if number:
            trials.append(_judged(records, border.traffic, policy, trail))
    return Outcome(tuple(trials) or (_nobody(policy),), counts)


class _Border:
    """The number of the trial that a record belongs to, 0 before the first: one begins with a candidate release that is new."""

    def __init__(self) -> None:
        self.number = 0
        self.traffic = Traffic()
        self._known: set[str | None] = set()

    def __call__(self, record: Record) -> int:
        if record["role"] != "candidate":
            self.traffic.stable += 1
        else:
            release = record.get("release")
            new = release not in self._known and (release is not None or not self.number)
            if new and (at := moment(record)) is not None:
                self._known.add(release)
                self.number += 1
                self.traffic = Traffic(release, at)
            self.traffic.candidate += 1
        self.traffic.last = record
        return self.number


def _judged(records: Iterator[Record], traffic: Traffic, policy: PolicyFields, keep: bool) -> Trial:
    release, began = traffic.release, traffic.began

    def arm(record: Mapping[str, Any]) -> bool | None:
        named = record.get("release")
        if record["role"] == "candidate":
            return True if named == release or named is None else None
        return None if named == release and named is not None else False  # promoted: no baseline of its own

    batcher = Batcher(
        arm,
        length=policy.batch,
        opened_at=began,
        warm_up_until=began + policy.warm_up,
        sessions=policy.unit == "session",
    )
    try:
        analysis = begin(policy.guardrails, policy.confidence)
    except ValueError as error:
        raise NeedsPerson(f"the guardrails cannot be weighed: {error}", fix="correct their `weight`") from error
    trail, at = Trail.of(policy), began
    said = verdict(analysis, at=at)
    for batch in batcher.replay(records):
        analysis, at = absorb(analysis, batch), max(at, batch.end)
        if keep:
            trail.add(at, analysis.n_b, analysis.n_c, [guard.log_e for guard in analysis.guards])
        if analysis.failed is not None or _disaster(analysis):
            said = verdict(analysis, at=at)
            if said.result is Result.FAIL:
                break
    if said.result is not Result.FAIL:
        said = verdict(analysis, at=at)
    unpaired = next((j for g, j in zip(policy.guardrails, said.judgements, strict=True) if g.paired), None)
    if unpaired is not None and said.result in (Result.PASS, Result.COLLECTING):
        said = replace(said, result=Result.NO_DATA, sentence=unpaired.sentence)  # answers are in no log
    word, cause = _decided(said, policy)
    return Trial(
        release, word, cause, said, analysis, trail, traffic, at, batcher.late, batcher.dropped, batcher.malformed
    )


def _disaster(analysis: Analysis) -> bool:
    """Whether an `immediate` guardrail fails by now: asked of those alone, since a whole verdict costs more than its batch."""
    settings, nothing = analysis.settings, ((), ())
    immediate = (guard for guard in analysis.guards if guard.guardrail.immediate)
    return any(opinion(guard, settings, 0.0, nothing, {}, None).result is Result.FAIL for guard in immediate)


def _nobody(policy: PolicyFields) -> Trial:
    """No evidence is not good evidence."""
    empty = _judged(iter(()), Traffic(), policy, False)
    return replace(empty, said=replace(empty.said, sentence="no line of this log has the role candidate", culprit=None))


def _decided(said: Verdict, policy: PolicyFields) -> tuple[str, str | None]:
    """The judge's result in the words of a rollout: fail, pass (a promotion would be allowed), or hold and why."""
    match said.result:
        case Result.FAIL:
            return "fail", None
        case Result.PASS if said.promotable:
            return "pass", None
        case Result.NO_DATA | Result.BOTH_ARMS | Result.INVALID:
            return "hold", said.result.value
    asked = [g.min_requests for g in policy.guardrails]
    return "hold", "too_few" if said.candidate_requests < max([LEAST, *asked]) else "inconclusive"
