"""Two guardrails on one metric must leave something between them.

With `min: 0.9` and `max: 0.8` on the same score every release breaks one of the two, so every release is rolled back.
The same holds for `min_ratio` above `max_ratio`. To mend, look which of the two has its bounds mixed up.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.policy import Guardrail

PAIRS = (("min", "max"), ("min_ratio", "max_ratio"))


def check(context: Context) -> Iterator[Finding]:
    """Compare each guardrail with those before it."""
    for policy in context.policies():
        for field, guardrails in (("guardrails", policy.value.guardrails), ("watch", policy.value.watch)):
            for index, guardrail in enumerate(guardrails):
                other = next((one for one in guardrails[:index] if _exclude(one, guardrail)), None)
                if other is not None:
                    yield RULE.finding(
                        policy,
                        (field, index, guardrail.limit_name),
                        f"no '{guardrail.metric}' is within both {other.limit_name}: {other.limit:g} and "
                        f"{guardrail.limit_name}: {guardrail.limit:g}, so every release breaks one",
                        "put the lower bound below the upper one",
                    )


def _exclude(one: Guardrail, other: Guardrail) -> bool:
    if one.metric != other.metric or one.source != other.source:
        return False
    limits = {one.limit_name: one.limit, other.limit_name: other.limit}
    return any(low in limits and high in limits and limits[low] >= limits[high] for low, high in PAIRS)


_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"
_GOOD = "{metric: quality, min: 0.8, source: feedback}\n  - {metric: quality, max: 0.9, source: feedback}"

RULE = Rule(
    id="conflicting-guardrails",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("policies/progressive.yaml", _GOOD.replace("0.8", "0.95"), _RAIL, at="0.9"),),
    good=(Example("policies/progressive.yaml", _GOOD, _RAIL),),
)
