"""The weights of a policy's steps must grow from step to step, to 100 % at most.

A step that gives less traffic than the one before takes users back from a release that has just passed; one that gives
as much shows nothing new. The weight of a step with `segments` is a share of these segments and is compared with none.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_share


def check(context: Context) -> Iterator[Finding]:
    """Compare each step's weight with the largest before it."""
    for policy in context.policies():
        lists = (("steps", policy.value.steps), ("config_steps", policy.value.config_steps or ()))
        for field, steps in lists:
            before = 0.0
            for index, step in enumerate(steps):
                if step.weight is None or step.segments:
                    continue
                if step.weight <= before or not step.weight:
                    yield RULE.finding(
                        policy,
                        (field, index, "weight"),
                        f"the step '{step.name}' has {format_share(step.weight)} after {format_share(before)}",
                        f"give it more than {format_share(before)}, or take the step out",
                    )
                before = max(before, step.weight)


RULE = Rule(
    id="weights-grow",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "weight: 2%", "weight: 50%", at="2%"),
        Example("policies/progressive.yaml", "weight: 5%", "weight: 50%", at="5%"),
        Example("policies/progressive.yaml", "weight: 0%", "weight: 5%", at="0%"),
    ),
    good=(Example("policies/progressive.yaml", "weight: 0.5%", "weight: 5%"),),
)
