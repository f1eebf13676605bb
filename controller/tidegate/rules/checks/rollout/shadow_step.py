"""A `shadow` step is not served yet.

Mirroring traffic to a candidate that answers nobody comes with a later release of the gateway, and this rule goes with
it. Until then such a step would wait for evidence that never comes.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for shadow steps."""
    for policy in context.policies():
        lists = (("steps", policy.value.steps), ("config_steps", policy.value.config_steps or ()))
        for field, steps in lists:
            for index, step in enumerate(steps):
                if step.shadow is not None:
                    yield RULE.finding(
                        policy,
                        (field, index, "shadow"),
                        f"the step '{step.name}' mirrors traffic, which this release of the gateway cannot do",
                        "take the step out, and begin with a segment or a small weight",
                        key=True,
                    )


RULE = Rule(
    id="shadow-step",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            "name: insiders, shadow: 100%",
            "name: insiders, segments: [internal]",
            at="shadow: 100%",
        ),
        Example(
            "policies/progressive.yaml",
            "config_steps: [{name: shadow, shadow: 10%}]\nconfidence: 0.99",
            "confidence: 0.99",
            at="shadow: 10%",
        ),
    ),
    good=(Example("policies/progressive.yaml", "name: insiders, weight: 1%", "name: insiders, segments: [internal]"),),
)
