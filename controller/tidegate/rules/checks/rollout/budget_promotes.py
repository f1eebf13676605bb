"""A budget that is used up should not promote.

`then: promote` means that a release about which nothing could be decided goes to everybody: a model without traffic,
with dead metrics or with a margin that it cannot exclude passes just by waiting. To mend, write `hold`, and a person
decides, or `rollback`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for budgets that promote."""
    for policy in context.policies():
        budget = policy.value.budget
        if budget is not None and budget.then == "promote":
            yield RULE.finding(
                policy,
                ("budget", "then"),
                "a release that could not be judged goes to everybody when the budget is used up",
                "write 'then: hold' or 'then: rollback'",
            )


RULE = Rule(
    id="budget-promotes",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("policies/progressive.yaml", "20000, then: promote", "20000, then: hold", at="promote"),),
    good=(Example("policies/progressive.yaml", "20000, then: rollback", "20000, then: hold"),),
)
