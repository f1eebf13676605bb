"""A model that is retired is not deployed.

`state: retired` says that nobody answers for it any more; a deployment says that it should serve. To mend, delete the
deployment's file in the same commit (what runs is stopped by `retire` of its policy alone), or take the state back.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for deployments of retired models."""
    for folder, deployment in context.deployments():
        if folder.model is not None and folder.model.value.lifecycle.state == "retired":
            message = f"'{folder.name}' is retired, and this asks for version {deployment.value.version} of it"
            yield RULE.finding(deployment, ("version",), message, f"git rm {deployment.path}, or take the state back")


RULE = Rule(
    id="retired-deployment",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/digits/model.yaml", "lifecycle: {state: retired}", "lifecycle: {state: production}", at='"2.0.0"'
        ),
    ),
    good=(Example("models/digits/model.yaml", "lifecycle: {state: deprecated}", "lifecycle: {state: production}"),),
)
