"""A step's segments must be declared by every model that uses the policy.

A policy may serve many models. A model without the segment would sit through the step with no traffic at all, and no
evidence is not good evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Compare the segments of each policy's steps with the models that use it."""
    for policy in context.policies():
        users = [model for model in context.users(policy.value.name) if model.readable]
        lists = (("steps", policy.value.steps), ("config_steps", policy.value.config_steps or ()))
        for field, steps in lists:
            for index, step in enumerate(steps):
                for position, segment in enumerate(step.segments):
                    for model in users:
                        if segment in model.segments:
                            continue
                        close = similar(segment, sorted(model.segments))
                        fix = f"declare '{segment}' under 'segments' in models/{model.name}/model.yaml"
                        yield RULE.finding(
                            policy,
                            (field, index, "segments", position),
                            f"'{model.name}' uses this policy and has no segment '{segment}'",
                            f"did you mean '{close}'?" if close else fix,
                        )


RULE = Rule(
    id="unknown-segment",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "segments: [insiders]", "segments: [internal]", at="insiders]"),
        Example(
            "policies/progressive.yaml",
            "config_steps: [{name: friends, segments: [friends]}]\nconfidence: 0.99",
            "confidence: 0.99",
            at="friends]}",
        ),
    ),
    good=(Example("policies/progressive.yaml", "{name: tenth, weight: 1%,", "{name: insiders, segments: [internal],"),),
)
