"""Somebody has to say where Prometheus is: `sources.prometheus` in tidegate.yaml, or `address` in the guardrail's source.

Without an address nothing can be asked: the checker is broken, and the rollout holds. Told only where the repository
has a tidegate.yaml: elsewhere it cannot be seen. To mend, add it to tidegate.yaml; the credential stands there as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule
from tidegate.spec.sources import PrometheusSource


def check(context: Context) -> Iterator[Finding]:
    """Look for queries without an address where tidegate.yaml has none either."""
    controller = context.declared.controller
    if controller is None or controller.value.sources.prometheus is not None:
        return
    for policy, at, guardrail in rails(context):
        source = guardrail.source if isinstance(guardrail.source, str) else guardrail.source.asked
        if isinstance(source, PrometheusSource) and source.address is None:
            yield RULE.finding(
                policy,
                (*at, "source", "prometheus"),
                f"nothing says where the Prometheus of '{guardrail.metric}' is",
                "add sources: {prometheus: https://...} to tidegate.yaml",
            )


_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"
_QUERY = """'basket{release="{{release}}"}'"""


def _queried(more: str) -> str:
    return f"{{metric: basket, min_ratio: 0.97, bounds: [0, 500], source: {{prometheus: {more}}}}}"


RULE = Rule(
    id="prometheus-address",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            _queried(_QUERY),
            _RAIL,
            at="'basket",
            mended=_queried(f"{{query: {_QUERY}, address: https://prometheus.example.com}}"),
        ),
    ),
    good=(
        Example(
            "policies/progressive.yaml",
            _queried(f"{{query: {_QUERY}, address: https://prometheus.example.com}}"),
            _RAIL,
        ),
    ),
)
