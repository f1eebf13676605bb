"""`warm_up` should be shorter than the first step.

What a release answers in its warm-up is not judged: it is slow for reasons that are not the model. It begins with the
first step; one that lasts as long makes that step prove nothing, and the next one gives it more traffic unseen. To
mend, shorten it, or lengthen the first step.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_duration


def check(context: Context) -> Iterator[Finding]:
    """Compare with the first step of each list."""
    for policy, field, steps in ways(context):
        warm_up = policy.value.warm_up
        if steps and warm_up and warm_up >= steps[0].duration:
            first = steps[0]
            yield RULE.finding(
                policy,
                ("warm_up",),
                f"the warm-up of {format_duration(warm_up)} covers all of the first step of '{field}', "
                f"'{first.name}' ({format_duration(first.duration)}): it judges nothing",
                f"write less than {format_duration(first.duration)}"
                if first.duration
                else f"give '{first.name}' a time with 'for'",
            )


RULE = Rule(
    id="long-warm-up",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "warm_up: 30m\nconfidence: 0.99", "confidence: 0.99", at="30m"),
        Example(
            "policies/progressive.yaml",
            "warm_up: 2m\nconfig_steps: [{name: few, weight: 9%, for: 1m}, {name: all, weight: 100%, for: 9m}]\nstandby: 72h",
            "standby: 72h",
            at="2m",
        ),
    ),
    good=(Example("policies/progressive.yaml", "warm_up: 1m\nconfidence: 0.99", "confidence: 0.99"),),
)
