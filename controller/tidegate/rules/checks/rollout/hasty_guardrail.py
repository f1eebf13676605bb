"""An `immediate` guardrail should see enough requests before it acts: 20, and more than one bad one.

It is a plain guard for disasters, not a test: it acts on one window, without proof. With `min_requests: 3` and a limit
of 20 %, a single error takes a healthy release back. To mend, ask for 50, which is also what counts where
`min_requests` is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule
from tidegate.spec.metric import Kind, kind_of

LEAST = 20


def check(context: Context) -> Iterator[Finding]:
    """Judge the immediate guardrails by their `min_requests`."""
    for policy, at, guardrail in rails(context):
        asked = guardrail.min_requests
        if not guardrail.immediate or not asked:
            continue
        shares = kind_of(guardrail)[0] in (Kind.ERRORS, Kind.INVALID) and guardrail.limit_name == "max"
        single = shares and 0 < asked * guardrail.limit < 1
        if asked < LEAST or single:
            bad = "a single error" if single else "a few bad requests"
            yield RULE.finding(
                policy,
                (*at, "min_requests"),
                f"{bad} among {asked} would take the release back at once",
                "write 'min_requests: 50'",
            )


RULE = Rule(
    id="hasty-guardrail",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "min_requests: 3, immediate", "min_requests: 50, immediate", at="3,"),
        Example("policies/progressive.yaml", "0.01, min_requests: 50, imm", "0.20, min_requests: 50, imm", at="50,"),
    ),
    good=(Example("policies/progressive.yaml", "0.20, immediate", "0.20, min_requests: 50, immediate"),),
)
