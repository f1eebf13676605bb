"""The release before should stay hot for at least as long as the last step took, and while `watch` looks on.

Much that is wrong shows only when everybody is on the release: at night, with the weekly batch, when a cache is cold.
While the one before is hot, `tidegate rollback` takes milliseconds; after that it takes as long as a start. To mend,
make `standby` longer: 24 to 72 hours cover a day's and a weekend's pattern.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_duration


def check(context: Context) -> Iterator[Finding]:
    """Compare the standby with the time of the last step."""
    for policy in context.policies():
        last, standby = policy.value.steps[-1], policy.value.standby
        if standby < last.duration:
            message = (
                f"the release before stays hot for {format_duration(standby)}, "
                f"less than the {format_duration(last.duration)} of the last step '{last.name}'"
            )
        elif not standby and policy.value.watch:
            message = "'watch' looks on after the promotion, when there is no hot release to go back to"
        else:
            continue
        place = ("standby",) if "standby" in policy.source.data else ("steps",)
        yield RULE.finding(policy, place, message, "write a longer one, such as 'standby: 72h'")


RULE = Rule(
    id="short-standby",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "standby: 10m", "standby: 72h", at="10m"),
        Example("policies/progressive.yaml", "standby: 0s", "standby: 72h", at="0s"),
    ),
    good=(Example("policies/progressive.yaml", "standby: 1h", "standby: 72h"),),
)
