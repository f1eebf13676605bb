"""A `shadow` step belongs before the steps that give the release users.

A shadow answers nobody: it shows whether the release agrees with the stable one before anybody depends on it. After a
step with users it would take them all back, and show what they have met already. To mend, move it to the front.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for shadows after a step with segments or a weight."""
    for policy, field, steps in ways(context):
        served = ""
        for index, step in enumerate(steps):
            if step.shadow is None:
                served = served or step.name
            elif served:
                yield RULE.finding(
                    policy,
                    (field, index, "shadow"),
                    f"the shadow '{step.name}' comes after '{served}', which gave the release users: it takes them back",
                    "move it to the front",
                    key=True,
                )


_CANARY = "  - {name: canary, weight: 5%, for: 30m, min_requests: 500}\n"

RULE = Rule(
    id="shadow-order",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("policies/progressive.yaml", _CANARY + "  - {name: echo, shadow: 9%}\n", _CANARY, at="shadow: 9%"),),
    good=(
        Example(
            "policies/progressive.yaml",
            "steps:\n  - {name: echo, shadow: 100%, for: 1h}\n",
            "steps:\n",
        ),
    ),
)
