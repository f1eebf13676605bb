"""A step's `holdback` must be smaller than what is left to the release, and must hold something back.

`holdback: 1%` on a step with `weight: 100%` keeps 1 % of the traffic on the stable release, to compare with. One that
takes as much as the step gives leaves the release with nothing more than it had; one on a step with a smaller weight
changes nothing, since the stable release has more than that anyway. To mend, put `holdback: 1%` on the last step.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_share


def check(context: Context) -> Iterator[Finding]:
    """Compare each holdback with the weight of its step and of the step before."""
    for policy, field, steps in ways(context):
        before = 0.0
        for index, step in enumerate(steps):
            weight, back = step.weight or 0.0, step.holdback
            if back is None:
                before = max(before, weight)
                continue
            left = min(weight, 1 - back)
            if back >= 1 or (weight and left <= before):
                message = (
                    f"holdback {format_share(back)} leaves the step '{step.name}' with {format_share(left)} of the "
                    f"traffic after {format_share(before)}"
                )
            elif not step.segments and weight + back <= 1:
                message = (
                    f"holdback {format_share(back)} holds nothing back: with weight {format_share(weight)} the stable "
                    f"release has {format_share(1 - weight)}"
                )
            else:
                message = ""
            if message:
                fix = "take it out, or write 'holdback: 1%' on the last step"
                yield RULE.finding(policy, (field, index, "holdback"), message, fix)
            before = max(before, left)


_FULL = "{name: full, weight: 100%, for: 1h}"

RULE = Rule(
    id="holdback-share",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", _FULL.replace("1h", "1h, holdback: 60%"), _FULL, at="60%"),
        Example("policies/progressive.yaml", _FULL.replace("1h", "1h, holdback: 100%"), _FULL, at="100%}"),
        Example("policies/progressive.yaml", "weight: 5%, holdback: 10%", "weight: 5%", at="10%"),
    ),
    good=(Example("policies/progressive.yaml", _FULL.replace("1h", "1h, holdback: 1%"), _FULL),),
)
