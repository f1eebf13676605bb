"""A query must not be asked more often than its range is long: values that rest on the same samples are one value.

`rate(x[5m])` asked each 30 s gives ten values of which nine say what is known already. Each of them counts as new evidence,
and chance looks like a breach: more than one harmless release in a hundred is taken back. To mend, leave `interval` out
(it is then as long as the range), or shorten the range.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule
from tidegate.spec.sources import PrometheusSource, longest_range
from tidegate.spec.units import format_duration


def check(context: Context) -> Iterator[Finding]:
    """Compare the time between two values with the longest range of the query."""
    for policy, at, guardrail in rails(context):
        source = guardrail.source if isinstance(guardrail.source, str) else guardrail.source.asked
        if not isinstance(source, PrometheusSource) or source.query is None:
            continue
        longest = longest_range(source.query)
        if source.spacing < longest:
            field = "step" if source.step is not None else "interval"
            yield RULE.finding(
                policy,
                (*at, "source", "prometheus", field),
                f"a value each {format_duration(source.spacing)} of the last {format_duration(longest)}: most of it is old",
                f"write {field}: {format_duration(longest)}",
            )


_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"


def _queried(more: str) -> str:
    query = """'avg_over_time(basket{release="{{release}}"}[5m])'"""
    return f"{{metric: basket, min_ratio: 0.97, bounds: [0, 500], source: {{prometheus: {{query: {query}{more}}}}}}}"


RULE = Rule(
    id="overlapping-values",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml", _queried(", interval: 30s"), _RAIL, at="30s", mended=_queried(", interval: 5m")
        ),
        Example("policies/progressive.yaml", _queried(", step: 1m"), _RAIL, at="1m", mended=_queried(", step: 5m")),
    ),
    good=(
        Example("policies/progressive.yaml", _queried(""), _RAIL),
        Example("policies/progressive.yaml", _queried(", interval: 15m, step: 5m"), _RAIL),
    ),
)
