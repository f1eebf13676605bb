"""How many candidate requests a decision takes: about `(log(1/alpha) + 2)/KL`, for `plan` and for "how many more".

Neighbours: judge.py (the effect seen), the plan (effects worth knowing about before the start).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from tidegate.analysis.metrics import Kind, metric_of, unsupported
from tidegate.spec.policy import Guardrail


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


def decisions(information: float, alpha: float) -> int | None:
    """Candidate requests until 1/alpha is reached at so much information each; None when there is none."""
    if information <= 1e-12:
        return None
    return math.ceil((math.log(1 / alpha) + 2) / information)


def samples_needed(
    guardrail: Guardrail, baseline_rate: float, effect: float, alpha: float, share: float, *, spread: float = 3.0
) -> int | None:
    """Candidate requests after which this guardrail finds, at the median, a candidate `effect` times stable's.

    `baseline_rate`: stable's error rate, or mean score; for a latency, its quantile in ms. `share`: the candidate's
    part of the traffic, in (0, 1). `spread`: p95 over p50 of the latency (taken as lognormal). None: never, since the
    limit allows that effect, or cannot be judged. Bursts make it more (the dispersion guard: twice, early on).
    """
    if unsupported(guardrail) or not 0 < share < 1:
        return None
    metric = metric_of(guardrail)
    per_candidate = (1 - share) / share
    limit, limit_name = guardrail.limit, guardrail.limit_name
    if metric.kind is Kind.SCORE:
        seen = min(baseline_rate * effect, 1.0)
        allowed = {
            "max_ratio": limit * baseline_rate, "min_ratio": limit * baseline_rate,
            "max_increase": baseline_rate + limit, "max_drop": baseline_rate - limit,
        }.get(limit_name, limit)  # fmt: skip
        gap = (allowed - seen) if limit_name in ("min_ratio", "max_drop", "min") else (seen - allowed)
        variance = seen * (1 - seen) + (
            baseline_rate * (1 - baseline_rate) / per_candidate if guardrail.relative else 0
        )
        return decisions(gap**2 / (2 * (variance + gap**2)), alpha) if gap > 0 else None
    if metric.kind is Kind.LATENCY:
        tail = metric.share
        stretch = (limit + (limit_name == "max_increase")) if guardrail.relative else limit / baseline_rate
        slow = _tail_after(tail, effect / stretch, spread)
        if slow <= tail:
            return None
        information = (
            rates_information(slow, tail, 1.0, per_candidate) if guardrail.relative else bernoulli_kl(slow, tail)
        )
        return decisions(information, alpha)
    seen = min(baseline_rate * effect, 1.0)
    if guardrail.relative:
        ratio = limit + (limit_name == "max_increase")
        information = rates_information(seen, baseline_rate, ratio, per_candidate)
        return decisions(information, alpha) if seen > ratio * baseline_rate else None
    return decisions(bernoulli_kl(seen, limit), alpha) if seen > limit else None


def _tail_after(tail: float, stretch: float, spread: float) -> float:
    """The share beyond a quantile with `tail` beyond it, once everything takes `stretch` times as long."""
    normal = NormalDist()
    sigma = math.log(spread) / normal.inv_cdf(0.95)
    return 1 - normal.cdf(normal.inv_cdf(1 - tail) - math.log(stretch) / sigma)
