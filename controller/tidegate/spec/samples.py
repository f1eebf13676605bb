"""How many candidate requests a decision takes: about `(log(1/alpha) + 2)/KL`, and what so many could show. Light.

Here, beneath the analysis, since the rules and `plan` reckon with it too and may not pay for numpy.
Neighbours: metric.py says what a guardrail measures; analysis/opinion.py asks "how many more", with the effect seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from tidegate.spec.metric import Kind, kind_of, unsupported
from tidegate.spec.policy import LOW_IS_BAD, Guardrail, PolicyFields

SPREAD = 3.0
"""p95 over p50 of a latency that nothing is known about, taken as lognormal."""
NEGLIGIBLE = 0.001
"""An event rate shown to be below this excludes any ratio margin (analysis/rates.py)."""
ASSUMED_ERRORS = 0.01
"""Stable's error rate where nobody has said."""
LARGEST = 1000.0
"""An effect beyond which nobody asks how large it is."""


def bernoulli_kl(p: float, q: float) -> float:
    """Information per request (nats) that tells a rate p from a rate q."""
    terms = ((p, q), (1 - p, 1 - q))
    return max(
        0.0, sum(x * math.log(x / y) if y > 0 else math.inf for x, y in terms if x > 0)
    )  # never below, but for rounding


def rates_information(p_c: float, p_b: float, ratio: float, per_candidate: float) -> float:
    """Information per candidate request (nats) against `p_c = ratio p_b`, at `per_candidate` stable requests for each.

    Events are split between the arms: theta of them fall to the candidate, theta_0 if the ratio were the limit's.
    """
    events = p_c + per_candidate * p_b
    if events <= 0:
        return 0.0
    return events * bernoulli_kl(p_c / events, ratio / (ratio + per_candidate))


def low_is_bad(guardrail: Guardrail) -> bool:
    """Whether the metric is one that should be high."""
    return guardrail.limit_name in LOW_IS_BAD


def assumed_baseline(guardrail: Guardrail) -> float:
    """What stable is taken to be where nobody has said: 1 % errors, 100 ms, a score of 0.9, or of 0.1 where low is good.

    With an absolute limit it does not matter: the limit itself, so that effects are told in multiples of it.
    """
    if not guardrail.relative:
        return guardrail.limit
    kind, _ = kind_of(guardrail)
    if kind is Kind.LATENCY:
        return 100.0
    if kind is Kind.ERRORS:
        return ASSUMED_ERRORS
    low, high = guardrail.bounds
    return low + (high - low) * (0.9 if low_is_bad(guardrail) else 0.1)


def alphas(policy: PolicyFields) -> tuple[float, ...]:
    """By guardrail, the part of alpha that it has in the joint decision; 0 for an immediate one, which is no test."""
    weights = [0.0 if g.immediate else 1.0 if g.weight is None else max(g.weight, 0.0) for g in policy.guardrails]
    total = sum(weights)
    return tuple((1 - policy.confidence) * weight / total if total else 0.0 for weight in weights)


def nats_needed(alpha: float) -> float:
    """Information (nats) at which 1/alpha is reached at the median: `log(1/alpha) + 2`, docs/design/analysis.md."""
    return math.log(1 / alpha) + 2


def decisions(information: float, alpha: float) -> int | None:
    """Candidate requests until 1/alpha is reached at so much information each; None when there is none."""
    if information <= 1e-12:
        return None
    return math.ceil(nats_needed(alpha) / information)


def information(guardrail: Guardrail, baseline: float, effect: float, share: float, *, spread: float = SPREAD) -> float:
    """Nats per candidate request that speak for going back, when the candidate is `effect` times stable. 0: none.

    `baseline`: stable's error rate, or mean score; for a latency, its quantile in ms. `share`: the candidate's part of
    the traffic, in (0, 1]; with all of it a relative limit has nothing beside it to compare with, and learns nothing.
    """
    if unsupported(guardrail) or not 0 < share <= 1 or (guardrail.relative and share >= 1):
        return 0.0
    kind, q = kind_of(guardrail)
    per_candidate = (1 - share) / share
    if guardrail.limit_name == "max_gap":
        return _of_gap(guardrail, guardrail.limit * (effect - 1))
    if kind is Kind.SCORE:
        return _of_scores(guardrail, baseline, effect, per_candidate)
    limit = guardrail.limit + (guardrail.limit_name == "max_increase")
    if kind is Kind.LATENCY:
        tail = 1 - q
        stretch = _stretch(guardrail, limit, baseline)
        slow = _tail_after(tail, effect / stretch, spread) if stretch > 0 and 0 < tail < 1 else 0.0
        if slow <= tail:
            return 0.0
        return rates_information(slow, tail, 1.0, per_candidate) if guardrail.relative else bernoulli_kl(slow, tail)
    seen = min(baseline * effect, 1.0)
    if kind is Kind.AGREEMENT:
        return bernoulli_kl(seen, limit) if seen < limit else 0.0
    if guardrail.relative:
        return rates_information(seen, baseline, limit, per_candidate) if seen > limit * baseline else 0.0
    return bernoulli_kl(seen, max(limit, 0.0)) if seen > limit else 0.0


def samples_needed(
    guardrail: Guardrail, baseline_rate: float, effect: float, alpha: float, share: float, *, spread: float = SPREAD
) -> int | None:
    """Candidate requests after which this guardrail finds, at the median, a candidate `effect` times stable's.

    Arguments as in `information`; `share` in (0, 1). None: never, since the limit allows that effect, or cannot be
    judged. Bursts make it more (the dispersion guard: twice, early on).
    """
    if not 0 < share < 1:
        return None
    return decisions(information(guardrail, baseline_rate, effect, share, spread=spread), alpha)


def detectable(
    guardrail: Guardrail,
    baseline: float,
    alpha: float,
    exposures: Sequence[tuple[float, float]],
    *,
    spread: float = SPREAD,
) -> float | None:
    """The smallest effect (candidate over stable) found at the median after `exposures`: (share, candidate requests).

    None: not even one LARGEST times (or, where low is bad, as many times smaller) would be found.
    """
    worse_is_low = low_is_bad(guardrail)
    needed = nats_needed(alpha)

    def found(size: float) -> bool:
        effect = 1 / size if worse_is_low else size
        seen = [n * information(guardrail, baseline, effect, share, spread=spread) for share, n in exposures if n > 0]
        return sum(seen) >= needed

    low, high = 1.0, LARGEST
    if not found(high):
        return None
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if found(middle) else (middle, high)
    return 1 / high if worse_is_low else high


def promotion_information(guardrail: Guardrail, baseline: float, share: float) -> float:
    """Nats per candidate request that exclude the margin, when the candidate is as good as stable. 0: none ever does.

    Arguments as in `information`; with all of the traffic it is held against stable's record. A ratio of next to no
    errors is excluded by showing fewer than one in a thousand, whichever is sooner (analysis/rates.py, NEGLIGIBLE).
    """
    if guardrail.margin is None or unsupported(guardrail) or not 0 < share <= 1:
        return 0.0
    kind, q = kind_of(guardrail)
    per_candidate = (1 - share) / share
    margin = guardrail.margin + (guardrail.limit_name == "max_increase")
    if guardrail.limit_name == "max_gap":
        return _of_gap(guardrail, guardrail.margin)
    beside = guardrail.relative and per_candidate > 0
    if kind is Kind.SCORE:
        return _of_scores(guardrail, baseline, 1.0, per_candidate, limit=guardrail.margin, side=-1)
    if kind is Kind.LATENCY:
        tail = 1 - q
        stretch = _stretch(guardrail, margin, baseline)
        quick = _tail_after(tail, 1 / stretch, SPREAD) if stretch > 0 and 0 < tail < 1 else 1.0
        if quick >= tail:
            return 0.0
        return rates_information(quick, tail, 1.0, per_candidate) if beside else bernoulli_kl(quick, tail)
    if kind is Kind.AGREEMENT:
        return bernoulli_kl(baseline, margin) if baseline > margin else 0.0
    if not guardrail.relative:
        return bernoulli_kl(baseline, min(margin, 1.0)) if 0 <= baseline < margin else 0.0
    between = 0.0
    if margin > 1:
        bound = min(margin * baseline, 1.0)
        between = rates_information(baseline, baseline, margin, per_candidate) if beside else _kl(baseline, bound)
    return max(between, bernoulli_kl(baseline, NEGLIGIBLE) if baseline < NEGLIGIBLE else 0.0)


def promotion_nats(alpha: float) -> float:
    """Information at which a margin is excluded at the median: more than for a breach, since the guard against bursts
    counts half at first. Measured against the analysis: 1.2 to 1.8 times as much (docs/design/plan.md)."""
    return 1.4 * nats_needed(alpha)


def promotion_samples(guardrail: Guardrail, baseline: float, alpha: float, share: float) -> int | None:
    """Candidate requests after which a candidate as good as stable has excluded the margin, at the median.

    None: there is no margin, or it can never be excluded by one that is merely as good.
    """
    pace = promotion_information(guardrail, baseline, share)
    return math.ceil(promotion_nats(alpha) / pace) if pace > 1e-12 else None


def _stretch(guardrail: Guardrail, limit: float, baseline: float) -> float:
    """How many times its own length a latency may take; 0 where that cannot be told."""
    if guardrail.relative:
        return limit
    return limit / baseline if baseline > 0 else 0.0


def _kl(p: float, q: float) -> float:
    return bernoulli_kl(p, q) if q > 0 else 0.0


def _of_gap(guardrail: Guardrail, excess: float) -> float:
    """Nats per candidate request on a gap that is off by `excess`, between two segments of one size (analysis/gap.py)."""
    low, high = guardrail.bounds
    return max(excess, 0.0) ** 2 / (2 * (high - low) ** 2)


def _of_scores(
    guardrail: Guardrail,
    baseline: float,
    effect: float,
    per_candidate: float,
    *,
    limit: float | None = None,
    side: int = 1,
) -> float:
    """Nats per candidate request on a mean score beyond the limit (`side` 1) or within it (-1); normal approximation.

    Its spread is taken as the widest that the bounds allow.
    """
    bound, name = guardrail.limit if limit is None else limit, guardrail.limit_name
    low, high = guardrail.bounds
    seen = min(max(baseline * effect, low), high)
    allowed = {
        "max_ratio": bound * baseline, "min_ratio": bound * baseline,
        "max_increase": baseline + bound, "max_drop": baseline - bound,
    }.get(name, bound)  # fmt: skip
    gap = side * ((allowed - seen) if low_is_bad(guardrail) else (seen - allowed))
    if gap <= 0:
        return 0.0
    variance = (seen - low) * (high - seen)
    if guardrail.relative and per_candidate:
        variance += max((baseline - low) * (high - baseline), 0.0) / per_candidate
    return gap**2 / (2 * (variance + gap**2))


def _tail_after(tail: float, stretch: float, spread: float) -> float:
    """The share beyond a quantile with `tail` beyond it, once everything takes `stretch` times as long."""
    normal = NormalDist()
    sigma = math.log(spread) / normal.inv_cdf(0.95)
    return 1 - normal.cdf(normal.inv_cdf(1 - tail) - math.log(stretch) / sigma)
