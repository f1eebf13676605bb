"""An approval must name a step of the policy that waits for one.

A step with `approve: manual` begins when its name stands in `approvals`. A name that is no such step approves nothing:
the rollout waits for a person who believes to have approved it. To mend, write the name as the policy has it, or take
the approval out.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.deployment import Deployment
from tidegate.spec.source import Loc
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Compare the approvals of each deployment, and of its features, with the steps of the policy that counts there."""
    for _, deployment in context.deployments():
        for at, approvals, name in _given(deployment.value):
            policy = context.declared.policies.get(name)
            if policy is None:
                continue
            steps = (*policy.value.steps, *(policy.value.config_steps or ()))
            waiting = {step.name for step in steps if step.approve == "manual"}
            for index, approval in enumerate(approvals):
                if approval in waiting:
                    continue
                there = any(step.name == approval for step in steps)
                close = similar(approval, sorted(waiting))
                yield RULE.finding(
                    deployment,
                    (*at, "approvals", index),
                    f"'{approval}' is a step of policy '{name}' that waits for nobody"
                    if there
                    else f"policy '{name}' has no step '{approval}'",
                    f"did you mean '{close}'?" if close and not there else "take the approval out",
                )


def _given(deployment: Deployment) -> Iterator[tuple[Loc, tuple[str, ...], str]]:
    yield (), deployment.approvals, deployment.policy
    for feature, override in deployment.features.items():
        yield ("features", feature), override.approvals or (), override.policy or deployment.policy


RULE = Rule(
    id="unknown-approval",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/deployment.yaml", "approvals: [halve]", "approvals: []", "halve]", "approvals: [half]"),
        Example("models/digits/deployment.yaml", "approvals: [canary]", "approvals: []", "canary]"),
        Example(
            "models/digits/deployment.yaml",
            'archive: {version: "1.0.0", approvals: [whole]}',
            'archive: {version: "1.0.0"}',
            "whole]",
        ),
    ),
    good=(Example("models/digits/deployment.yaml", "approvals: [half]", "approvals: []"),),
)
