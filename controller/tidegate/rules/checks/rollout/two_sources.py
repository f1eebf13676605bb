"""A metric has one source: two guardrails of a policy on the same name must not take it from two places.

What comes under one name is judged as one: values of the one source would be taken for values of the other. To mend,
give the second another name, or the same source. `error_rate` and the latencies of the gateway's record stand apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule
from tidegate.spec.sources import SourceSpec


def check(context: Context) -> Iterator[Finding]:
    """Look for a second source of a metric's name."""
    first: dict[tuple[str, str], SourceSpec | str] = {}
    for policy, at, guardrail in rails(context):
        if guardrail.source == "gateway":
            continue
        known = first.setdefault((policy.path, guardrail.metric), guardrail.source)
        if known != guardrail.source:
            yield RULE.finding(
                policy,
                (*at, "source"),
                f"'{guardrail.metric}' has another source above: what comes under one name is judged as one",
                "give it another name, or the same source",
            )


_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"
_FEEDBACK = "{metric: polite, max_drop: 0.05, source: feedback}"


def _pair(name: str) -> str:
    source = '{webhook: {url: "https://judge.example.com/{{release}}", value: mean}}'
    return f"{_FEEDBACK}\n  - {{metric: {name}, max_drop: 0.05, bounds: [0, 1], source: {source}}}"


RULE = Rule(
    id="two-sources",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("policies/progressive.yaml", _pair("polite"), _RAIL, at="{webhook", mended=_pair("polite_judged")),),
    good=(
        Example("policies/progressive.yaml", _pair("judged"), _RAIL),
        Example("policies/progressive.yaml", f"{_FEEDBACK}\n  - {{metric: polite, min: 0.8, source: feedback}}", _RAIL),
    ),
)
