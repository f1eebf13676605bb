"""Promotion is a test of its own: the candidate is worse than stable by at least the margin, until data exclude it.

Neighbours: rates.py and means.py test in both directions; guards.py asks for the rollback's and the promotion's.
A margin is in the unit of its limit and lies beyond it: with `max_ratio: 1.0`, `margin: 3.0` excludes three times the
events; with `max_increase: 10%`, `margin: 50%` an increase by half; with `max_drop: 0.0`, `margin: 0.05` a drop by
0.05; with `max` and `min`, that value itself.
"""

from __future__ import annotations

from tidegate.analysis.means import MeanAbsolute, MeanRelative
from tidegate.analysis.metrics import Kind, Metric, rate_ratio
from tidegate.analysis.rates import RateAbsolute, RateRelative
from tidegate.spec.policy import LOW_IS_BAD, Guardrail

Test = RateRelative | RateAbsolute | MeanRelative | MeanAbsolute


def rollback_test(guardrail: Guardrail, metric: Metric, delta: float) -> Test:
    """The test whose evidence speaks for going back: H0, the candidate is within the limit."""
    return _test(guardrail, metric, guardrail.limit, 1, delta)


def promotion_test(guardrail: Guardrail, metric: Metric, delta: float) -> Test | None:
    """The test whose evidence speaks for promotion: H0, worse by at least the margin. None without a margin."""
    return None if guardrail.margin is None else _test(guardrail, metric, guardrail.margin, -1, delta)


def _test(guardrail: Guardrail, metric: Metric, limit: float, side: int, delta: float) -> Test:
    """Side +1 for the rollback's, -1 for the promotion's; rates that are bad when low are tested the other way round."""
    name = guardrail.limit_name
    if metric.kind is Kind.SCORE:
        if guardrail.relative:
            return MeanRelative.new(metric, name, limit, side, delta)
        return MeanAbsolute.new(metric, name, limit, side)
    way = -side if name in LOW_IS_BAD else side
    if guardrail.relative:
        return RateRelative.new(metric, rate_ratio(name, limit), way, delta, fall=side > 0)
    return RateAbsolute.new(metric, limit, way, fall=side > 0)
