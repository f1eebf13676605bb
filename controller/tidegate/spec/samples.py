"""How many candidate requests a decision takes: about `(log(1/alpha) + 2)/KL`, and what so many could show. Light.

Here, beneath the analysis, since the rules and `plan` reckon with it too and may not pay for numpy.
Neighbours: metric.py says what a guardrail measures; analysis/opinion.py asks "how many more", with the effect seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from tidegate.spec.metric import Kind, kind_of, unsupported
from tidegate.spec.policy import Guardrail

SPREAD = 3.0
"""p95 over p50 of a latency that nothing is known about, taken as lognormal."""
LARGEST = 1000.0
"""An effect beyond which nobody asks how large it is."""


def bernoulli_kl(p: float, q: float) -> float:
    """Information per request (nats) that tells a rate p from a rate q."""
    terms = ((p, q), (1 - p, 1 - q))
    return sum(x * math.log(x / y) if y > 0 else math.inf for x, y in terms if x > 0)


def rates_information(p_c: float, p_b: float, ratio: float, per_candidate: float) -> float:
    """Information per candidate request (nats) against `p_c = ratio p_b`, at `per_candidate` stable requests for each.

    Events are split between the arms: theta of them fall to the candidate, theta_0 if the ratio were the limit's.
    """
    events = p_c + per_candidate * p_b
    if events <= 0:
        return 0.0
    return events * bernoulli_kl(p_c / events, ratio / (ratio + per_candidate))


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
    if kind is Kind.SCORE:
        return _of_scores(guardrail, baseline, effect, per_candidate)
    limit = guardrail.limit + (guardrail.limit_name == "max_increase")
    if kind is Kind.LATENCY:
        tail = 1 - q
        stretch = limit if guardrail.relative else limit / baseline
        slow = _tail_after(tail, effect / stretch, spread)
        if slow <= tail:
            return 0.0
        return rates_information(slow, tail, 1.0, per_candidate) if guardrail.relative else bernoulli_kl(slow, tail)
    seen = min(baseline * effect, 1.0)
    if guardrail.relative:
        return rates_information(seen, baseline, limit, per_candidate) if seen > limit * baseline else 0.0
    return bernoulli_kl(seen, limit) if seen > limit else 0.0


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
    guardrail: Guardrail, baseline: float, alpha: float, exposures: Sequence[tuple[float, float]]
) -> float | None:
    """The smallest effect (candidate over stable) found at the median after `exposures`: (share, candidate requests).

    None: not even one LARGEST times (or, where low is bad, as many times smaller) would be found.
    """
    worse_is_low = guardrail.limit_name in ("min", "min_ratio", "max_drop")
    needed = nats_needed(alpha)

    def found(size: float) -> bool:
        effect = 1 / size if worse_is_low else size
        return sum(n * information(guardrail, baseline, effect, share) for share, n in exposures) >= needed

    low, high = 1.0, LARGEST
    if not found(high):
        return None
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if found(middle) else (middle, high)
    return 1 / high if worse_is_low else high


def promotion_samples(guardrail: Guardrail, baseline: float, alpha: float, share: float) -> int | None:
    """Candidate requests after which a candidate as good as stable has excluded the margin, at the median.

    None: without a margin, or when it cannot be excluded by a candidate that is merely as good. A ratio of next to no
    errors is excluded by showing fewer than one in a thousand (analysis/rates.py, NEGLIGIBLE), whichever is sooner.
    """
    if guardrail.margin is None or unsupported(guardrail):
        return None
    kind, q = kind_of(guardrail)
    per_candidate = (1 - share) / share if 0 < share < 1 else 0.0
    margin = guardrail.margin + (guardrail.limit_name == "max_increase")
    if kind is Kind.SCORE:
        return decisions(_of_scores(guardrail, baseline, 1.0, per_candidate, limit=guardrail.margin, side=-1), alpha)
    if kind is Kind.LATENCY:
        tail = 1 - q
        stretch = margin if guardrail.relative else margin / baseline
        quick = _tail_after(tail, 1 / stretch, SPREAD)
        if quick >= tail:
            return None
        if guardrail.relative:
            return decisions(rates_information(quick, tail, 1.0, per_candidate) if per_candidate else 0.0, alpha)
        return decisions(bernoulli_kl(quick, tail), alpha)
    if not guardrail.relative:
        return decisions(bernoulli_kl(baseline, margin) if baseline < margin else 0.0, alpha)
    between = rates_information(baseline, baseline, margin, per_candidate) if margin > 1 and per_candidate else 0.0
    negligible = bernoulli_kl(baseline, NEGLIGIBLE) if baseline < NEGLIGIBLE else 0.0
    return decisions(max(between, negligible), alpha)


NEGLIGIBLE = 0.001
"""As in analysis/rates.py: an event rate shown to be below this excludes any ratio margin."""


def _of_scores(
    guardrail: Guardrail,
    baseline: float,
    effect: float,
    per_candidate: float,
    *,
    limit: float | None = None,
    side: int = 1,
) -> float:
    """Nats per candidate request on a mean score beyond the limit (`side` 1) or within it (-1); normal approximation."""
    bound, name = guardrail.limit if limit is None else limit, guardrail.limit_name
    seen = min(baseline * effect, 1.0)
    allowed = {
        "max_ratio": bound * baseline, "min_ratio": bound * baseline,
        "max_increase": baseline + bound, "max_drop": baseline - bound,
    }.get(name, bound)  # fmt: skip
    gap = side * ((allowed - seen) if name in ("min_ratio", "max_drop", "min") else (seen - allowed))
    if gap <= 0:
        return 0.0
    variance = seen * (1 - seen)
    if guardrail.relative and per_candidate:
        variance += baseline * (1 - baseline) / per_candidate
    return gap**2 / (2 * (variance + gap**2))


def _tail_after(tail: float, stretch: float, spread: float) -> float:
    """The share beyond a quantile with `tail` beyond it, once everything takes `stretch` times as long."""
    normal = NormalDist()
    sigma = math.log(spread) / normal.inv_cdf(0.95)
    return 1 - normal.cdf(normal.inv_cdf(1 - tail) - math.log(stretch) / sigma)
