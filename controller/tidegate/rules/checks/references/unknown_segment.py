"""The segments that a policy names must be declared by every model that uses it.

A policy may serve many models. A model without the segment would sit through the step with no traffic at all, and its
guardrail would never see a request: no evidence is not good evidence. A `max_gap` needs segments to lie between.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails, ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.declared import Loaded
from tidegate.spec.policy import RolloutPolicy
from tidegate.spec.source import Loc
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Compare the segments of each policy's steps and guardrails with the models that use it."""
    for policy, field, steps in ways(context):
        for index, step in enumerate(steps):
            yield from _named(context, policy, (field, index, "segments"), step.segments)
    for policy, at, guardrail in rails(context):
        if isinstance(guardrail.segments, tuple):
            yield from _named(context, policy, (*at, "segments"), guardrail.segments)
        elif guardrail.max_gap is not None:
            for model in context.users(policy.value.name):
                if model.readable and not model.segments:
                    yield RULE.finding(
                        policy,
                        (*at, "segments"),
                        f"'{model.name}' uses this policy and has no segments, so there is no gap to judge",
                        f"declare 'segments' in models/{model.name}/model.yaml, or take this guardrail out",
                    )


def _named(context: Context, policy: Loaded[RolloutPolicy], at: Loc, names: tuple[str, ...]) -> Iterator[Finding]:
    users = [model for model in context.users(policy.value.name) if model.readable]
    for position, segment in enumerate(names):
        for model in users:
            if segment in model.segments:
                continue
            close = similar(segment, sorted(model.segments))
            fix = f"declare '{segment}' under 'segments' in models/{model.name}/model.yaml"
            yield RULE.finding(
                policy,
                (*at, position),
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
        Example(
            "policies/progressive.yaml",
            "error_rate, max_ratio: 2.0, segments: [insiders]",
            "error_rate, max_ratio: 2.0",
            at="insiders]",
        ),
    ),
    good=(Example("policies/progressive.yaml", "{name: tenth, weight: 1%,", "{name: insiders, segments: [internal],"),),
)
