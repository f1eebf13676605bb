"""The budget must be larger than what the steps themselves take.

Once the time or the requests of `budget` are used up, the first thing that is not decided yet ends the rollout as its
`then` says. A budget below the sum of the steps is used up in an ordinary rollout: what should be the last resort
becomes the rule. To mend, make it twice the sum or more, or take it out.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_duration


def check(context: Context) -> Iterator[Finding]:
    """Compare the budget with the sums over the steps."""
    for policy, field, steps in ways(context):
        budget = policy.value.budget
        if budget is None:
            continue
        seconds = sum(step.duration for step in steps)
        requests = sum(step.min_requests for step in steps)
        if budget.duration is not None and budget.duration < seconds:
            message = f"the budget of {format_duration(budget.duration)} is less than '{field}' take: "
            yield RULE.finding(
                policy,
                ("budget", "for"),
                message + format_duration(seconds),
                f"write '{format_duration(2 * seconds)}' or more",
            )
        if budget.requests is not None and budget.requests < requests:
            message = f"the budget of {budget.requests:,} requests is less than '{field}' ask for: {requests:,}"
            yield RULE.finding(policy, ("budget", "requests"), message, f"write {2 * requests} or more")


RULE = Rule(
    id="short-budget",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "{for: 1h, ", "{for: 6h, ", at="1h", mended="{for: 5h, "),
        Example("policies/progressive.yaml", "requests: 400,", "requests: 20000,", at="400"),
    ),
    good=(Example("policies/progressive.yaml", "{for: 5h, ", "{for: 6h, "),),
)
