"""What a policy would have detected at a log's traffic and baseline, and after how many requests. Pure.

The arithmetic of `plan` and of the rules (spec/samples.py), with what the log says in the place of what is assumed.
Neighbours: replay.py measured the log, show.py prints this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tidegate.analysis.latency import add, quantile
from tidegate.cli.backtests.replay import Trial
from tidegate.spec.metric import Kind, kind_of, unsupported
from tidegate.spec.policy import Guardrail, PolicyFields
from tidegate.spec.samples import SPREAD, alphas, assumed_baseline, detectable, low_is_bad, samples_needed

EFFECTS: Final = {
    Kind.LATENCY: (1.1, 1.2, 1.5, 2.0, 3.0),
    Kind.SCORE: (1.05, 1.1, 1.2, 1.5, 2.0),
}
"""Candidate over stable, or over an absolute limit, where high is bad."""
RARE: Final = (1.5, 2.0, 3.0, 5.0, 10.0)
"""The same for errors and other events."""
LOW: Final = (0.99, 0.98, 0.95, 0.9, 0.8)
"""The same where low is bad."""
NEVER_ALONE: Final = 0.999
"""A share of the traffic above which there is no baseline left to speak of."""


@dataclass(frozen=True, slots=True)
class Found:
    """One effect: the candidate would show `value`, so many `times` stable's (of an absolute limit: times the limit).

    `requests`: candidate requests that find it at the median, None: never; `seconds`: what they take at the log's pace.
    `here`: whether the log itself has so many; None where the requests are those of one segment.
    """

    times: float
    value: float
    requests: int | None
    seconds: float | None
    here: bool | None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """One guardrail at this log's traffic. `assumed`: the log says nothing of the baseline.

    `smallest`: the effect (candidate over stable) found in all of the log at the median; None: none.
    """

    guardrail: Guardrail
    baseline: float
    assumed: bool
    smallest: float | None
    found: tuple[Found, ...]


def sensitivities(trial: Trial, policy: PolicyFields) -> tuple[Sensitivity, ...]:
    """For each guardrail that is a test, in the policy's order; none where the log has no candidate."""
    if not trial.traffic.candidate:
        return ()
    traffic, spread = trial.traffic, _spread(trial)
    pace = traffic.candidate / max(traffic.seconds, 1e-9)
    share = min(traffic.share, NEVER_ALONE)
    table = []
    for rail, alpha, judged in zip(policy.guardrails, alphas(policy), trial.said.judgements, strict=True):
        if rail.immediate or alpha <= 0 or rail.paired or unsupported(rail):  # a log has no pairs
            continue
        known = (judged.baseline or 0.0) if rail.limit_name != "max_gap" else 0.0
        baseline = known if known > 0 else assumed_baseline(rail)
        whole = rail.segments is None
        rows = []
        for times in effects(rail):
            value = times * (baseline if rail.relative else rail.limit)
            needed = samples_needed(rail, baseline, value / baseline, alpha, share, spread=spread)
            lasts = needed / pace if whole and needed is not None and pace > 0 else None
            here = needed is not None and needed <= traffic.candidate if whole else None
            rows.append(Found(times, value, needed, lasts, here))
        seen = [(share, float(traffic.candidate))]
        smallest = detectable(rail, baseline, alpha, seen, spread=spread) if whole else None
        table.append(Sensitivity(rail, baseline, known <= 0, smallest, tuple(rows)))
    return tuple(table)


def effects(guardrail: Guardrail) -> tuple[float, ...]:
    """The effects that a table asks about, mild ones first."""
    return LOW if low_is_bad(guardrail) else EFFECTS.get(kind_of(guardrail)[0], RARE)


def _spread(trial: Trial) -> float:
    """p95 over p50 of stable's latency, as the log has it."""
    cells: tuple[int, ...] = ()
    for strand in trial.analysis.strands.values():
        cells = add(cells, strand.record.cells)
    middle, tail = quantile(cells, 0.5), quantile(cells, 0.95)
    return max(tail / middle, 1.05) if middle and tail else SPREAD
