"""A step on segments alone belongs before the steps with a `weight`.

A step says the whole of what the release is given. One that names segments and no `weight` gives everybody else back
to the stable release: users who had the new one lose it again, and with `sticky` they change sides twice. To mend,
move the step to the front, or repeat the `weight` of the step before in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_share


def check(context: Context) -> Iterator[Finding]:
    """Look for steps on segments that give the rest less than a step before did."""
    for policy, field, steps in ways(context):
        most = 0.0
        for index, step in enumerate(steps):
            weight = step.weight or 0.0
            if step.segments and weight < most:
                yield RULE.finding(
                    policy,
                    (field, index, "segments"),
                    f"the step '{step.name}' gives everybody outside of its segments {format_share(weight)}, "
                    f"after {format_share(most)}",
                    "move it to the front, or repeat the weight in it",
                    key=True,
                )
            most = max(most, weight)


_INSIDERS = "  - {name: insiders, segments: [internal], for: 30m}\n"
_CANARY = "  - {name: canary, weight: 5%, for: 30m, min_requests: 500}\n"

RULE = Rule(
    id="segment-order",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("policies/progressive.yaml", _CANARY + _INSIDERS, _INSIDERS + _CANARY, at="segments: [internal]"),),
    good=(
        Example(
            "policies/progressive.yaml",
            _CANARY + _INSIDERS.replace("for", "weight: 5%, for"),
            _INSIDERS + _CANARY,
        ),
    ),
)
