"""A policy should have one guardrail of each kind on a metric.

Of two limits of the same kind only the tighter one can ever matter, and both take their share of the confidence: the
second makes the first one slower. An `immediate` one beside a test is no duplicate, nor is an absolute limit beside a
relative one. To mend, keep the tighter one.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for a guardrail with the metric, source, limit and manner of one before it."""
    for policy in context.policies():
        for field, guardrails in (("guardrails", policy.value.guardrails), ("watch", policy.value.watch)):
            seen: dict[tuple[object, ...], float] = {}
            for index, guardrail in enumerate(guardrails):
                how = guardrail.limit_name, guardrail.immediate, guardrail.segments
                key = (guardrail.metric, str(guardrail.source), *how)
                if key in seen:
                    yield RULE.finding(
                        policy,
                        (field, index),
                        f"'{guardrail.metric}' has a {guardrail.limit_name} already: {seen[key]:g}",
                        "keep the tighter of the two",
                    )
                seen.setdefault(key, guardrail.limit)


_RAIL = "  - {metric: latency_p95_ms, max_ratio: 1.2}\n"

RULE = Rule(
    id="duplicate-guardrail",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("policies/progressive.yaml", _RAIL + _RAIL.replace("1.2", "1.5"), _RAIL, at="{metric: latency"),),
    good=(
        Example("policies/progressive.yaml", _RAIL + _RAIL.replace("p95", "p50"), _RAIL),
        Example("policies/progressive.yaml", _RAIL + _RAIL.replace("max_ratio: 1.2", "max: 500"), _RAIL),
    ),
)
