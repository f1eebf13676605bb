"""The query of a `prometheus` source must be PromQL that gives numbers.

A query that does not parse, or that gives text, never gives a value: the guardrail has no data, and no evidence
promotes nobody. Parsed as Prometheus does it, without asking any server. `events` and `total` are counters themselves:
Tidegate reckons what they grew by. To mend, try the query in Prometheus first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule
from tidegate.spec.sources import VARIABLES, render

_GIVES = {"query": "a number", "events": "a counter", "total": "a counter"}
_RATES = re.compile(r"\b(rate|irate|increase|delta|deriv)\s*\(")


def check(context: Context) -> Iterator[Finding]:
    """Parse the query of every guardrail that has one."""
    for policy, at, guardrail in rails(context):
        spec = guardrail.source
        if isinstance(spec, str) or spec.prometheus is None:
            continue
        source = spec.asked
        for field in ("query", "events", "total"):
            query = getattr(source, field, None)
            why = _wrong(query, counter=field != "query") if query is not None else ""
            if why:
                short = isinstance(spec.prometheus, str)
                yield RULE.finding(
                    policy,
                    (*at, "source", "prometheus") if short else (*at, "source", "prometheus", field),
                    f"'{field}' of '{guardrail.metric}' is no PromQL that gives {_GIVES[field]}: {why}",
                    "mend the query; Prometheus itself shows whether it has a value",
                )


def _wrong(template: str, *, counter: bool) -> str:
    """Why this is no query; '' when it is one."""
    from promql_parser import MatrixSelector, StringLiteral, parse  # lazily: most repositories have no such source

    query = render(template, dict.fromkeys(VARIABLES, "a1"))
    try:
        found = parse(query)
    except ValueError as error:
        return str(error).splitlines()[0].rstrip(".")
    if isinstance(found, StringLiteral):
        return "it gives a text"
    if isinstance(found, MatrixSelector):
        return "it gives a range of values: wrap it in rate() or avg_over_time()"
    if counter and (made := _RATES.search(query)):
        return f"{made[1]}() is no whole number: name the counter itself, such as sum(orders_total)"
    return ""


_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"


def _queried(query: str) -> str:
    return f"{{metric: revenue, min_ratio: 0.97, bounds: [0, 50], source: {{prometheus: '{query}'}}}}"


def _counted(events: str) -> str:
    total = 'orders_total{release="{{release}}"}'
    source = f"{{prometheus: {{events: '{events}', total: '{total}'}}}}"
    return f"{{metric: failed_orders, max_ratio: 1.5, source: {source}}}"


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
        Example("policies/progressive.yaml", _counted("sum(rate(failed_orders_total[5m]))"), _RAIL, at="'sum(rate"),
    ),
    good=(
        Example(
            "policies/progressive.yaml", _queried('sum(orders{role="{{role}}"}) / sum(visits{role="{{role}}"})'), _RAIL
        ),
        Example("policies/progressive.yaml", _counted('failed_orders_total{release="{{release}}"}'), _RAIL),
    ),
)
