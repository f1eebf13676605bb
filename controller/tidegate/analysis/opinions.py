"""What a guardrail says, whatever it speaks of: the whole traffic, each of its segments, or the gap between them.

Neighbours: opinion.py judges one guard; within.py and gap.py are the other two; judge.py decides over all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from tidegate.analysis import words
from tidegate.analysis.gap import Drift, Gap
from tidegate.analysis.guards import LEAST, Guard
from tidegate.analysis.metrics import Kind
from tidegate.analysis.model import Judgement, Result
from tidegate.analysis.opinion import CAP, Cells, Settings, disaster, judgement, still_needed, threshold
from tidegate.analysis.samples import detectable
from tidegate.analysis.scopes import name, share
from tidegate.analysis.within import Within

AnyGuard = Guard | Within | Gap
Both = tuple[Cells, Cells]
"""Latencies of the candidate and of stable."""
WORST_FIRST = (
    Result.FAIL, Result.INVALID, Result.BOTH_ARMS, Result.NO_DATA, Result.COLLECTING, Result.PASS,
)  # fmt: skip
BLIND = 2.0
"""A segment in which effects smaller than this cannot be seen says so."""


def opinion(
    guard: AnyGuard,
    settings: Settings,
    weight: float,
    cells: Both,
    parts: Mapping[str | None, Both],
    failed: float | None,
) -> Judgement:
    """One judgement a guardrail. `parts`: latencies by segment; `failed`: log of the joint E that it has made."""
    if isinstance(guard, Gap):
        return _gap(guard, settings, weight, failed)
    if isinstance(guard, Within):
        return _within(guard, settings, weight, parts, failed)
    if guard.guardrail.immediate:
        return disaster(guard, settings)
    return judgement(guard, settings, weight, cells, failed)


def _within(
    guard: Within, settings: Settings, weight: float, cells: Mapping[str | None, Both], failed: float | None
) -> Judgement:
    """The judgements of all segments, led by the worst, and among those alike by the one with the most evidence."""
    rail = guard.guardrail
    culprit = max(guard.terms, key=guard.terms.__getitem__) if guard.parts and failed is not None else None
    judged = []
    for place, (segment, part) in enumerate(guard.parts.items()):
        if rail.immediate:
            own = disaster(part, settings)
        else:
            scaled = weight * share(rail, place)
            blamed = failed if segment == culprit else None
            own = judgement(part, settings, scaled, cells.get(segment, ((), ())), blamed)
            own = _blind(_quiet(own, part), part, settings.alpha * scaled)
        judged.append(replace(own, segment=name(segment), sentence=f"in {name(segment)}: {own.sentence}"))
    if not judged:
        return _nothing(guard, settings, weight, "no requests in any of its segments yet")
    lead = min(judged, key=lambda j: (WORST_FIRST.index(j.result), -j.e))
    return replace(
        lead,
        e=_capped(guard.log_e), threshold=threshold(settings, weight), parts=tuple(judged),
        requests=sum(j.requests for j in judged), candidate_requests=sum(j.candidate_requests for j in judged),
        excluded=all(j.excluded for j in judged),
    )  # fmt: skip


def _quiet(own: Judgement, part: Guard) -> Judgement:
    """A segment to which the candidate was not offered, or from which nobody came: nothing is missing there."""
    if own.result is not Result.NO_DATA or part.why_not is not None or part.dry or part.tally.n_c or part.tally.invalid:
        return own
    return replace(own, result=Result.COLLECTING, sentence="no candidate requests yet")


def _blind(own: Judgement, part: Guard, alpha: float) -> Judgement:
    """With what a small segment cannot show, where that is much."""
    n_c, baseline = part.tally.n_c, own.baseline
    if own.result not in (Result.PASS, Result.COLLECTING) or not baseline or not n_c or alpha <= 0:
        return own
    arms = n_c / (n_c + part.tally.n_b)
    effect = detectable(part.guardrail, baseline, alpha, [(min(arms, 1.0), n_c)])
    if effect is not None and max(effect, 1 / effect) < BLIND:
        return own
    word = "nothing at all" if effect is None else f"nothing below {max(effect, 1 / effect):.2g}x"
    return replace(own, sentence=f"{own.sentence}; so few requests show {word}")


def _gap(guard: Gap, settings: Settings, weight: float, failed: float | None) -> Judgement:
    """The widest gap of the candidate, with stable's between the same segments."""
    rail, metric, found = guard.guardrail, guard.metric, guard.widest
    if guard.why_not is not None:
        return _nothing(guard, settings, weight, f"cannot be judged: {guard.why_not}")
    if found is None:
        return _nothing(guard, settings, weight, "no window yet in which two of its segments had candidate requests")
    (one, other), pair = found
    width = metric.bounds[1] - metric.bounds[0] if metric.kind is Kind.SCORE else 1.0
    ours, theirs = pair.all_ours.interval(settings.alpha), pair.theirs.interval(settings.alpha)
    gap, low, high = (end * width for end in ours or (0.0, 0.0, 0.0))
    beside = f", stable's {_size(guard, theirs[0] * width)}" if theirs else ""
    text = f"{words.name(metric)} {_size(guard, gap)} higher in {name(one)} than in {name(other)}{beside}"
    text += f", {words.requests(guard.n_c)}"
    bound, needed = _size(guard, rail.limit), None
    if failed is not None:
        result, tail = Result.FAIL, f"{words.odds(failed)}; limit {bound} between segments"
    elif guard.both_broken(settings.log_threshold):
        result, tail = Result.BOTH_ARMS, f"over the limit {bound} in both releases, so nothing moves"
    elif rail.margin is not None and guard.excluded:
        result, tail = Result.PASS, f"limit {bound}, and a gap of {_size(guard, rail.margin)} is excluded"
    else:
        enough = rail.margin is None and guard.n_c >= max(LEAST, rail.min_requests)
        result = Result.PASS if enough else Result.COLLECTING
        stands = "over the limit {}, not proven yet" if gap > rail.limit else "within the limit {} so far"
        needed = _gap_needed(guard, settings, pair.all_ours, gap / width)
        more = f", about {needed:,} more would decide" if needed is not None else ""
        tail = f"{stands.format(bound)}, sure to {_size(guard, high - gap)}{more}"
    return Judgement(
        metric=rail.metric, limit=f"{rail.limit_name}: {rail.limit:g}", result=result, observed=gap,
        baseline=theirs[0] * width if theirs else None, requests=guard.n_c + guard.n_b, candidate_requests=guard.n_c,
        e=_capped(guard.log_e), threshold=threshold(settings, weight), excluded=guard.excluded,
        sentence=f"{text}; {tail}", needed=needed, p=math.exp(-guard.peak), observed_low=low, observed_high=high,
        effect_kind="value", effect=gap, effect_low=low, effect_high=high, segment=f"{name(one)} against {name(other)}",
    )  # fmt: skip


def _gap_needed(guard: Gap, settings: Settings, seen: Drift, gap: float) -> int | None:
    """About how many more candidate requests would decide at the present gap, towards going back or promotion."""
    excess, alpha, log_e = gap - guard.limit, settings.alpha, guard.log_e
    if excess <= 0 and guard.guardrail.margin is not None:
        excess, alpha = guard.margin - gap, settings.promote_alpha
        log_e = seen.log_e(guard.margin, -1)
    return still_needed(max(excess, 0.0) ** 2 / 2 * seen.v / max(guard.n_c, 1), alpha, log_e)


def _size(guard: Gap, number: float) -> str:
    """A difference in the metric's unit."""
    return f"{number:.3g}" if guard.metric.kind is Kind.SCORE else words.points(number)


def _nothing(guard: Within | Gap, settings: Settings, weight: float, why: str) -> Judgement:
    rail = guard.guardrail
    return Judgement(
        metric=rail.metric, limit=f"{rail.limit_name}: {rail.limit:g}", result=Result.NO_DATA, observed=None,
        baseline=None, requests=0, candidate_requests=0, e=_capped(guard.log_e), threshold=threshold(settings, weight),
        excluded=False, sentence=f"{rail.metric}: {why}",
    )  # fmt: skip


def _capped(log_e: float) -> float:
    return math.exp(min(log_e, CAP))
