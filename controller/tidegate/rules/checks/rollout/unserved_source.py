"""A guardrail may only use a source that this release reads: the gateway's record, feedback, Prometheus or a webhook.

`shadow` comes with a later release, and this rule goes with it. Until then such a guardrail would never have evidence,
and no evidence promotes nobody. What a `shadow` step's copies agree on is asked for with `agreement` in the step.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for guardrails with another source."""
    for policy, at, guardrail in rails(context):
        if guardrail.source == "shadow":
            message = f"the source 'shadow' of '{guardrail.metric}' is not read by this release"
            fix = "take the guardrail out, or ask for 'agreement' in a shadow step"
            yield RULE.finding(policy, (*at, "source"), message, fix)


_LIMIT = "{metric: latency_p95_ms, max_ratio: 1.2}"

RULE = Rule(
    id="unserved-source",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("policies/progressive.yaml", "{metric: agreement, min: 0.98, source: shadow}", _LIMIT, at="shadow}"),),
    good=(
        Example("policies/progressive.yaml", "{metric: error_rate, max: 0.03, source: gateway}", _LIMIT),
        Example("policies/progressive.yaml", "{metric: hallucination, max: 0.03, source: feedback}", _LIMIT),
    ),
)
