"""What the analysis takes and gives: arms and batches in, verdicts out. Plain values, serialisable, no I/O.

Neighbours: batches.py makes batches of the prediction record; rollout/ acts on the verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Result(StrEnum):
    """ANALYSIS.md, Verdicts. In one batch: invalid, then fail, then pass. `fail` is absorbing."""

    COLLECTING = "collecting"
    PASS = "pass"  # noqa: S105 a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"
    INVALID = "invalid"
    BOTH_ARMS = "both_arms"


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm's outcomes in one batch: requests, errors, latencies in the cells of `latency.BUCKETS`, scores, counts.

    `latency` is what `latency.histogram` gives, or empty; it may hold fewer than `requests`. `scores`: raw values by
    metric, in the metric's own unit; NaN or anything outside the guardrail's `bounds` is an invalid output (scores.py).
    `counts`: (total, events) by metric, 0 <= events <= total, for sources that count and have no single values.
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[int, ...] = ()
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """One small window of one segment of one route, both arms. `id` grows; `start` and `end` in epoch seconds.

    `segment` None is the traffic that no segment matched. `share` is the candidate's declared share in it.
    `complete` False marks the batch still open: only `immediate` guardrails may look at it, and it is never absorbed.
    `mirrored`: both arms answered the same requests, the candidate as a shadow; only guardrails on such pairs take it in.
    """

    id: int
    start: float
    end: float
    stable: Arm
    candidate: Arm
    segment: str | None = None
    share: float | None = None
    complete: bool = True
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """One guardrail's numbers. `e` against `threshold` = 1/alpha; `observed` and `baseline` in the metric's unit.

    `p` is the anytime p-value, one over the largest E so far. `effect` is a `ratio` (candidate over stable), a
    `difference` (candidate minus stable) or the `value` itself, as `effect_kind` says; it and `observed` have confidence
    sequences at the policy's confidence, in the metric's unit. None: not known, and for an upper end: nothing excluded.
    `segment` names the segment that a guardrail with `segments` speaks of; `parts` are the judgements of all of them.
    """

    metric: str
    limit: str
    result: Result
    observed: float | None
    baseline: float | None
    requests: int
    candidate_requests: int
    e: float
    threshold: float
    excluded: bool
    sentence: str
    needed: int | None = None
    p: float | None = None
    observed_low: float | None = None
    observed_high: float | None = None
    effect_kind: str | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    segment: str | None = None
    parts: tuple[Judgement, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The joint decision over all guardrails. `sentence` says in one line what was seen; `culprit` leads it.

    `promotable`: every guardrail that has a margin has excluded it.
    """

    result: Result
    sentence: str
    promotable: bool
    culprit: Judgement | None = None
    judgements: tuple[Judgement, ...] = ()
    requests: int = 0
    candidate_requests: int = 0
    at: float = 0.0
