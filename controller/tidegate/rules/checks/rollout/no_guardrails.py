"""A policy should have guardrails.

Without any, nothing is compared and nothing is taken back: a release that answers every request with an error is
promoted when the time of its steps is over. To mend, begin with the errors:
`guardrails: [{metric: error_rate, max_ratio: 1.5}, {metric: error_rate, max: 0.02, margin: 0.05}]`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for policies without guardrails."""
    for policy in context.policies():
        if not policy.value.guardrails:
            yield RULE.finding(
                policy,
                ("guardrails",) if "guardrails" in policy.source.data else ("steps",),
                "the policy has no guardrails: no release is ever taken back by it",
                "add 'guardrails: [{metric: error_rate, max: 0.02, margin: 0.05}]'",
                key=True,
            )


_RAILS = """guardrails:
  - {metric: error_rate, max_ratio: 2.0, margin: 4.0}
  - {metric: error_rate, max: 0.20, min_requests: 50, immediate: true}
  - {metric: latency_p95_ms, max_ratio: 1.2}
"""

RULE = Rule(
    id="no-guardrails",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "guardrails: []\n", _RAILS, at="guardrails:"),
        Example("policies/progressive.yaml", "# no guardrails\n", _RAILS, at="steps:"),
    ),
    good=(Example("policies/progressive.yaml", "guardrails: [{metric: error_rate, max: 0.1}]\n", _RAILS),),
)
