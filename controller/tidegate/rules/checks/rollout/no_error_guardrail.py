"""One guardrail should be on `error_rate`.

Errors are what every protocol has and what users feel first. A release that fails fast has the best latency of all,
and sends no feedback: a policy without an error guardrail promotes it. To mend, add one:
`{metric: error_rate, max_ratio: 1.5}`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for policies with guardrails and none on errors. An `immediate` one sees disasters only."""
    for policy in context.policies():
        guardrails = policy.value.guardrails
        on_errors = [g for g in guardrails if g.metric == "error_rate" and g.source == "gateway"]
        if guardrails and all(g.immediate for g in on_errors):
            only = bool(on_errors)
            yield RULE.finding(
                policy,
                ("guardrails",),
                "only a disaster of errors is guarded against: the guardrail on error_rate is immediate"
                if only
                else "no guardrail is on error_rate: a release that fails fast looks good",
                "add '- {metric: error_rate, max_ratio: 1.5}'",
                key=True,
            )


_RATIO = "  - {metric: error_rate, max_ratio: 2.0, margin: 4.0}\n"
_BOTH = _RATIO + "  - {metric: error_rate, max: 0.20, min_requests: 50, immediate: true}\n"

RULE = Rule(
    id="no-error-guardrail",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "  # by latency alone\n", _BOTH, at="guardrails:"),
        Example(
            "policies/progressive.yaml", "  - {metric: error_rate, max: 0.1, source: shadow}\n", _BOTH, at="guardrails:"
        ),
        Example("policies/progressive.yaml", "  # disasters alone\n", _RATIO, at="guardrails:"),
    ),
    good=(Example("policies/progressive.yaml", "  - {metric: error_rate, max: 0.02}\n", _BOTH),),
)
