"""`batch` should be shorter than every step that has a time.

The arms are compared window by window, and a window counts when it is closed. A step that is shorter than one ends
before anything about it was judged, or lasts longer than it says. To mend, shorten `batch` to a third of the shortest
step or less; 10 seconds are the usual.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_duration


def check(context: Context) -> Iterator[Finding]:
    """Compare the batch with the time of each step."""
    for policy, field, steps in ways(context):
        batch = policy.value.batch
        for index, step in enumerate(steps):
            if 0 < step.duration < batch:
                yield RULE.finding(
                    policy,
                    (field, index, "for"),
                    f"the step '{step.name}' of {format_duration(step.duration)} is over before one batch of "
                    f"{format_duration(batch)} is",
                    f"write 'batch: {format_duration(max(step.duration / 3, 0.5))}', or give the step more time",
                )


RULE = Rule(
    id="long-batch",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("policies/progressive.yaml", "weight: 5%, for: 5s", "weight: 5%, for: 30m", at="5s"),),
    good=(Example("policies/progressive.yaml", "batch: 60s\nconfidence: 0.99", "confidence: 0.99"),),
)
