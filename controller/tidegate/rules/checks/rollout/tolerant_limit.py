"""A limit should be near to what is normal: a guardrail that tolerates much sees nothing, and sees it late.

A release must be proven to be beyond its limit before it is taken back. With `max_ratio: 10` one that makes nine times
the errors is fine, and one that makes eleven times takes long to prove. Told when every guardrail on the metric, but
for the `immediate` ones, tolerates more than five times the errors, three times the latency or 20 % errors. To mend,
come closer: 1.5 to 2 for errors, 1.2 to 1.5 for latencies.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.metric import Kind, kind_of
from tidegate.spec.policy import Guardrail

RATIOS = {Kind.ERRORS: 5.0, Kind.INVALID: 5.0, Kind.LATENCY: 3.0}
SHARE = 0.2


def check(context: Context) -> Iterator[Finding]:
    """Judge each metric by its tightest guardrail."""
    for policy in context.policies():
        by_metric: dict[str, list[int]] = {}
        for index, guardrail in enumerate(policy.value.guardrails):
            if not guardrail.immediate and guardrail.source == "gateway":
                by_metric.setdefault(guardrail.metric, []).append(index)
        for indices in by_metric.values():
            why = [_tolerates(policy.value.guardrails[index]) for index in indices]
            if all(why):
                guardrail = policy.value.guardrails[indices[0]]
                yield RULE.finding(
                    policy,
                    ("guardrails", indices[0], guardrail.limit_name),
                    f"'{guardrail.metric}' is only guarded against {why[0]}: less goes unseen, and that is seen late",
                    "come closer to what is normal, such as max_ratio: 1.5",
                )


def _tolerates(guardrail: Guardrail) -> str:
    """What it takes to break this limit, when that is too much; '' when it is not."""
    kind, _ = kind_of(guardrail)
    if kind not in RATIOS:
        return ""
    if guardrail.relative:
        ratio = guardrail.limit + (guardrail.limit_name == "max_increase")
        return f"more than {ratio:g} times stable's" if ratio > RATIOS[kind] else ""
    shares = kind in (Kind.ERRORS, Kind.INVALID) and guardrail.limit > SHARE
    return f"more than {guardrail.limit:.0%}" if shares else ""


RULE = Rule(
    id="tolerant-limit",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "max_ratio: 10, margin: 20", "max_ratio: 2.0, margin: 4.0", at="10"),
        Example("policies/progressive.yaml", "max_increase: 300%", "max_ratio: 1.2", at="300%"),
        Example("policies/progressive.yaml", "max: 0.3, margin: 0.4", "max_ratio: 2.0, margin: 4.0", at="0.3"),
    ),
    good=(
        Example(
            "policies/progressive.yaml",
            "max_ratio: 10}\n  - {metric: error_rate, max: 0.02, margin: 0.05}",
            "max_ratio: 2.0, margin: 4.0}",
        ),
    ),
)
