"""The query of a `prometheus` source must be PromQL that gives numbers.

A query that does not parse, or that gives text, never gives a value: the guardrail has no data, and no evidence
promotes nobody. Parsed as Prometheus does it, without asking any server. To mend, try the query in Prometheus first.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Parse the query of every guardrail that has one."""
    for policy, at, guardrail in rails(context):
        if isinstance(guardrail.source, str) or "prometheus" not in guardrail.source:
            continue
        why = _wrong(guardrail.source["prometheus"])
        if why:
            yield RULE.finding(
                policy,
                (*at, "source", "prometheus"),
                f"the query of '{guardrail.metric}' is no PromQL that gives a number: {why}",
                "mend the query; Prometheus itself shows whether it has a value",
            )


def _wrong(given: object) -> str:
    """Why this is no query; '' when it is one."""
    query = given.get("query") if isinstance(given, dict) else given
    if not isinstance(query, str) or not query.strip():
        return "a query in quotes is wanted"
    from promql_parser import MatrixSelector, StringLiteral, parse  # lazily: most repositories have no such source

    try:
        found = parse(query)
    except ValueError as error:
        return str(error).splitlines()[0].rstrip(".")
    if isinstance(found, StringLiteral):
        return "it gives a text"
    return (
        "it gives a range of values: wrap it in rate() or avg_over_time()" if isinstance(found, MatrixSelector) else ""
    )


_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"


def _queried(query: str) -> str:
    return f"{{metric: revenue, min_ratio: 0.97, source: {{prometheus: '{query}'}}}}"


RULE = Rule(
    id="prometheus-query",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", _queried("sum(rate(orders[5m])"), _RAIL, at="'sum("),
        Example("policies/progressive.yaml", _queried("rate(orders)"), _RAIL, at="'rate("),
        Example("policies/progressive.yaml", _queried("orders[5m]"), _RAIL, at="'orders["),
        Example("policies/progressive.yaml", _queried('"orders"'), _RAIL, at="'\""),
    ),
    good=(Example("policies/progressive.yaml", _queried("sum(rate(orders[5m])) / sum(rate(visits[5m]))"), _RAIL),),
)
