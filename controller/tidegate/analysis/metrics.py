"""What a guardrail's metric is: errors, a latency quantile, invalid outputs, or a score; and its counts in an arm.

Neighbours: rates.py and means.py test what this extracts; guards.py chooses between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from tidegate.analysis.latency import slower
from tidegate.analysis.model import Arm
from tidegate.analysis.scores import Floats, valid
from tidegate.spec.policy import Guardrail

_LATENCY = re.compile(r"latency_p(\d{2,4})_ms")


class Kind(StrEnum):
    """How a metric is measured. Errors and latencies come from the gateway; anything else is a score by its name."""

    ERRORS = "errors"
    LATENCY = "latency"
    INVALID = "invalid"
    SCORE = "score"


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
    name = guardrail.metric
    if guardrail.source == "gateway":
        if name == "error_rate":
            return Metric(Kind.ERRORS, name)
        if match := _LATENCY.fullmatch(name):
            return Metric(Kind.LATENCY, name, int(match[1]) / 10 ** len(match[1]))
    if name == "invalid_output":
        return Metric(Kind.INVALID, name)
    return Metric(Kind.SCORE, name)


def unsupported(guardrail: Guardrail) -> str | None:
    """Why this limit cannot be judged on this metric, or None: fewer errors or faster answers are never a breach."""
    if guardrail.limit_name in ("max_ratio", "min_ratio") and guardrail.limit <= 0:
        return f"{guardrail.limit_name} must be above 0"
    if metric_of(guardrail).kind is Kind.SCORE:
        return None
    if guardrail.limit_name in ("min", "min_ratio", "max_drop"):
        return f"{guardrail.metric} has no {guardrail.limit_name}: use max, max_ratio or max_increase"
    if guardrail.limit_name == "max_increase" and guardrail.limit <= -1:
        return "max_increase must be above -100%"
    return None
