"""A deployment may only name a policy that is there and can be read.

`policy: progressive` asks for `policies/progressive.yaml`. A policy with problems of its own counts as unreadable:
a model that uses it stays as it is until the policy is mended.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Look up the policy of every deployment and of every feature's override."""
    policies = context.declared.policies
    for _, deployment in context.deployments():
        asked: list[tuple[tuple[str, ...], str | None]] = [(("policy",), deployment.value.policy)]
        asked += [(("features", name, "policy"), f.policy) for name, f in deployment.value.features.items()]
        for loc, policy in asked:
            if policy is None or policy in policies:
                continue
            path = f"policies/{policy}.yaml"
            if path in context.files:
                yield RULE.finding(deployment, loc, f"the policy '{policy}' cannot be read", f"mend {path}")
                continue
            close = similar(policy, policies)
            fix = f"did you mean '{close}'?" if close else f"write {path}, or name a policy that is there"
            yield RULE.finding(deployment, loc, f"there is no policy '{policy}'", fix)


RULE = Rule(
    id="unknown-policy",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/deployment.yaml", "policy: progresive", "policy: progressive", at="progresive"),
        Example(
            "models/digits/deployment.yaml", "archive: {policy: careful}", 'archive: {version: "1.0.0"}', at="careful}"
        ),
        Example("policies/progressive.yaml", "confidence: 99", "confidence: 0.99", at="progressive"),
    ),
    good=(Example("models/digits/deployment.yaml", "archive: {policy: progressive}", 'archive: {version: "1.0.0"}'),),
)
