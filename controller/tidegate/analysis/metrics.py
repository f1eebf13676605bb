"""What a guardrail's metric is: errors, a latency quantile, invalid outputs, or a score; and its counts in an arm.

Neighbours: spec/metric.py knows the names; rates.py and means.py test what this extracts; guards.py chooses between them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.analysis.latency import slower
from tidegate.analysis.model import Arm
from tidegate.analysis.scores import Floats, valid
from tidegate.spec.metric import Kind, kind_of, unsupported
from tidegate.spec.policy import Guardrail

__all__ = ["Kind", "Metric", "metric_of", "unsupported"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by kind and name; `q` is a latency's quantile (`latency_p95_ms`: 0.95, `latency_p999_ms`: 0.999)."""

    kind: Kind
    name: str
    q: float = 0.0

    @property
    def share(self) -> float:
        """The share of requests that lie beyond a latency's quantile by its definition."""
        return 1 - self.q

    def counts(self, arm: Arm, edge: int | None) -> tuple[int, int]:
        """Requests that can tell, and events among them; a latency's event is being slower than BUCKETS[edge]."""
        if self.kind is Kind.ERRORS:
            return arm.requests, arm.errors
        if self.kind is Kind.INVALID:
            total = sum(len(values) for values in arm.scores.values())
            return total, total - sum(len(valid(values)) for values in arm.scores.values())
        cells = arm.latency
        return sum(cells), slower(cells, edge) if edge is not None else 0

    def scores(self, arm: Arm) -> Floats:
        """The valid scores of this metric."""
        return valid(arm.scores.get(self.name, ()))


def metric_of(guardrail: Guardrail) -> Metric:
    """The metric of a guardrail. With another source than the gateway, every name is a score's."""
    kind, q = kind_of(guardrail)
    return Metric(kind, guardrail.metric, q)
