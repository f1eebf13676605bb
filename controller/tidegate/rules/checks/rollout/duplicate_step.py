"""The names of a policy's steps must differ.

`approvals`, events and the status name a step by its name: two of one name would be approved at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for a name that was there before in the same list."""
    for policy in context.policies():
        lists = (("steps", policy.value.steps), ("config_steps", policy.value.config_steps or ()))
        for field, steps in lists:
            seen: set[str] = set()
            for index, step in enumerate(steps):
                if step.name in seen:
                    message = f"a second step is called '{step.name}'"
                    yield RULE.finding(policy, (field, index, "name"), message, "give each step a name of its own")
                seen.add(step.name)


RULE = Rule(
    id="duplicate-step",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            "name: canary, weight: 50%",
            "name: half, weight: 50%",
            at="canary, weight: 50%",
        ),
    ),
    good=(Example("policies/progressive.yaml", "name: most, weight: 50%", "name: half, weight: 50%"),),
)
