"""A guardrail may only use a source that this release reads: the gateway's own record.

`feedback`, `shadow` and `prometheus` come with later releases, and this rule goes with them. Until then such a
guardrail would never have evidence, and no evidence promotes nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for guardrails with another source."""
    for policy in context.policies():
        for field, guardrails in (("guardrails", policy.value.guardrails), ("watch", policy.value.watch)):
            for index, guardrail in enumerate(guardrails):
                source = guardrail.source
                if source != "gateway":
                    name = source if isinstance(source, str) else next(iter(source), "{}")
                    message = f"the source '{name}' of '{guardrail.metric}' is not read by this release"
                    fix = "take the guardrail out, or judge error_rate or latency_p95_ms by the gateway's record"
                    yield RULE.finding(policy, (field, index, "source"), message, fix)


_LIMIT = "{metric: latency_p95_ms, max_ratio: 1.2}"

RULE = Rule(
    id="unserved-source",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml", "{metric: hallucination, max: 0.03, source: feedback}", _LIMIT, at="feedback}"
        ),
        Example(
            "policies/progressive.yaml",
            '{metric: revenue, min_ratio: 0.97, source: {prometheus: "q"}}',
            _LIMIT,
            at="{prometheus",
        ),
    ),
    good=(Example("policies/progressive.yaml", "{metric: error_rate, max: 0.03, source: gateway}", _LIMIT),),
)
