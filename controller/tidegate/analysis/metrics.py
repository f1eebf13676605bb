"""What a guardrail's metric is: errors, a latency quantile, invalid outputs, or a score; and its counts in an arm.

Neighbours: spec/metric.py knows the names; rates.py and means.py test what this extracts; guards.py chooses between them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.analysis.latency import slower
from tidegate.analysis.model import Arm
from tidegate.analysis.scores import UNIT, Floats, valid
from tidegate.spec.metric import Kind, kind_of, unsupported
from tidegate.spec.policy import Guardrail

__all__ = ["Kind", "Metric", "metric_of", "unsupported"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by kind and name; `q` is a latency's quantile (`latency_p95_ms`: 0.95, `latency_p999_ms`: 0.999).

    `bounds`: the least and the greatest value of a score. `others`: those of the scores that invalid outputs are
    counted among, where guardrails say so; `bounds` stands for the rest.
    """

    kind: Kind
    name: str
    q: float = 0.0
    bounds: tuple[float, float] = UNIT
    others: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The share of requests that lie beyond a latency's quantile by its definition."""
        return 1 - self.q

    def counts(self, arm: Arm, edge: int | None) -> tuple[int, int]:
        """Requests that can tell, and events among them; a latency's event is being slower than BUCKETS[edge]."""
        if self.kind is Kind.ERRORS:
            return arm.requests, arm.errors
        if self.kind in (Kind.COUNTS, Kind.AGREEMENT):
            return arm.counts.get(self.name, (0, 0))
        if self.kind is Kind.INVALID:
            total = sum(len(values) for values in arm.scores.values())
            good = (len(valid(values, self.others.get(name, self.bounds))) for name, values in arm.scores.items())
            return total, total - sum(good)
        cells = arm.latency
        return sum(cells), slower(cells, edge) if edge is not None else 0

    def scores(self, arm: Arm) -> Floats:
        """The valid scores of this metric, scaled to [0, 1]."""
        return valid(arm.scores.get(self.name, ()), self.bounds)

    def shown(self, value: float) -> float:
        """A mean as it is shown: a score's in its own unit again."""
        if self.kind is not Kind.SCORE or self.bounds == UNIT:
            return value
        return self.bounds[0] + value * (self.bounds[1] - self.bounds[0])

    def counted_in(self, arm: Arm) -> bool:
        """Whether values that would be scores arrive as counts."""
        return self.kind is Kind.SCORE and self.name in arm.counts

    @property
    def as_counts(self) -> Metric:
        """The same metric, arriving as counts."""
        return replace(self, kind=Kind.COUNTS)


def metric_of(guardrail: Guardrail, rails: Sequence[Guardrail] = ()) -> Metric:
    """The metric of a guardrail. With another source than the gateway or a shadow, every name is a score's.

    `rails`: all guardrails of the policy; their bounds say which scores are invalid outputs.
    """
    kind, q = kind_of(guardrail)
    others = {g.metric: g.bounds for g in rails if kind_of(g)[0] is Kind.SCORE} if kind is Kind.INVALID else {}
    return Metric(kind, guardrail.metric, q, guardrail.bounds, others)


def rate_ratio(limit_name: str, limit: float) -> float:
    """A relative limit on a rate as the ratio it allows: an increase and a drop are shares of stable's."""
    if limit_name == "max_increase":
        return 1 + limit
    return 1 - limit if limit_name == "max_drop" else limit


def usable_rate(guardrail: Guardrail) -> bool:
    """Whether a limit on events among a total can be tested: a ratio above 0, a rate between 0 and 1; margins alike."""
    bounds = [guardrail.limit] if guardrail.margin is None else [guardrail.limit, guardrail.margin]
    if guardrail.relative:
        return all(0 < rate_ratio(guardrail.limit_name, bound) < math.inf for bound in bounds)
    return all(0 < bound < 1 for bound in bounds)
