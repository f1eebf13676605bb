"""`rollback: {git: none}` leaves git asking for a release that was turned down.

Traffic goes back all the same, but git is not made true: the repository says one thing and production does another,
until somebody reverts by hand. A host that is rebuilt meanwhile knows of the rejection only by its note. To mend,
write `revert`, or `branch` where the main branch is protected and a person merges.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for policies that keep git as it is."""
    for policy in context.policies():
        if policy.value.rollback.git == "none":
            yield RULE.finding(
                policy,
                ("rollback", "git"),
                "after a rollback git would go on asking for the rejected release",
                "write 'git: revert', or 'git: branch' where a person merges",
            )


RULE = Rule(
    id="no-rollback",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            "rollback: {git: none}\nstandby: 72h",
            "standby: 72h",
            at="none",
            mended="rollback: {git: branch}\nstandby: 72h",
        ),
    ),
    good=(Example("policies/progressive.yaml", "rollback: {git: branch, window: 3}\nstandby: 72h", "standby: 72h"),),
)
