"""A guardrail's limit must be one that its metric can break.

Errors and latencies are bad when they are high: `min`, `min_ratio` and `max_drop` on them are never judged, and what
cannot be judged promotes nobody. An error rate is at most 1 and an error rate of 0 allows no single error ever. To
mend, use `max`, `max_ratio` or `max_increase`, in the unit of the metric: shares for errors, milliseconds for
latencies.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule
from tidegate.spec.metric import SAID, Kind, kind_of, unsupported
from tidegate.spec.policy import Guardrail


def check(context: Context) -> Iterator[Finding]:
    """Ask the analysis's own words whether it can judge this, and whether it could ever be broken."""
    for policy, at, guardrail in rails(context):
        why = unsupported(guardrail) or _out_of_range(guardrail)
        unknown = guardrail.paired and kind_of(guardrail)[0] is Kind.SCORE and guardrail.metric not in SAID
        if why and not unknown:  # unknown-metric says so
            yield RULE.finding(
                policy,
                (*at, guardrail.limit_name),
                f"the limit {guardrail.limit_name}: {guardrail.limit:g} on '{guardrail.metric}' cannot be judged: {why}",
                _fix(guardrail),
            )


def _fix(guardrail: Guardrail) -> str:
    if kind_of(guardrail)[0] is Kind.AGREEMENT:
        return "write a limit between 0 and 1 on all traffic, such as {metric: agreement, min: 0.98, source: shadow}"
    if guardrail.metric == "error_rate" and guardrail.limit_name == "max":
        return "write a limit between 0 and 1, such as max: 0.02"
    return "use max, max_ratio or max_increase, above 0"


def _out_of_range(guardrail: Guardrail) -> str:
    kind, _ = kind_of(guardrail)
    if kind is Kind.AGREEMENT and not 0 < guardrail.limit < 1:
        return (
            "a share lies between 0 and 1"
            if guardrail.limit != 1
            else "a single difference in a million would break it"
        )
    if guardrail.limit_name != "max":
        return ""
    if kind in (Kind.ERRORS, Kind.INVALID) and not 0 < guardrail.limit < 1:
        return "a rate lies between 0 and 1" if guardrail.limit else "a single error in a million would break it"
    return "it takes longer than that to answer" if kind is Kind.LATENCY and guardrail.limit <= 0 else ""


RULE = Rule(
    id="unusable-limit",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "p95_ms, min: 100", "p95_ms, max_ratio: 1.2", at="100"),
        Example("policies/progressive.yaml", "p95_ms, max_ratio: 0", "p95_ms, max_ratio: 1.2", at="0"),
        Example("policies/progressive.yaml", "error_rate, max: 20,", "error_rate, max: 0.20,", at="20,"),
        Example("policies/progressive.yaml", "error_rate, max: 0,", "error_rate, max: 0.20,", at="0,"),
        Example(
            "policies/progressive.yaml",
            "agreement, max: 0.9, source: shadow",
            "latency_p95_ms, max_ratio: 1.2",
            at="0.9",
        ),
        Example(
            "policies/progressive.yaml", "agreement, min: 98, source: shadow", "latency_p95_ms, max_ratio: 1.2", at="98"
        ),
    ),
    good=(Example("policies/progressive.yaml", "p95_ms, max: 400", "p95_ms, max_ratio: 1.2"),),
)
