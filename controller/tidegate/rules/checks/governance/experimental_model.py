"""A model that calls itself experimental does not serve production.

Somebody wrote `state: experimental`, and somebody deploys it where users are: one of the two is out of date. Other
environments (`deployments/staging.yaml`) are what it is for. To mend, set `state: production`, with a card and a
contract that fit it, or deploy it elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.layout import place

_PRODUCTION = ("production", "prod", "live")


def check(context: Context) -> Iterator[Finding]:
    """Look for deployments of models that say that they are experiments."""
    controller = context.declared.controller
    served = controller.value.environment if controller is not None else "production"
    for folder, deployment in context.deployments():
        found = place(deployment.path)
        environment = (found.environment if found is not None else None) or served
        model = folder.model
        if model is None or environment not in _PRODUCTION or model.source.raw(("lifecycle", "state")) is None:
            continue
        if model.value.lifecycle.state == "experimental":
            message = f"'{folder.name}' is experimental, and {deployment.path} puts it into {environment}"
            yield RULE.finding(
                model, ("lifecycle", "state"), message, "set 'state: production', or deploy it elsewhere"
            )


_PATH = "models/digits/model.yaml"
_OLD = "lifecycle: {state: production}"

RULE = Rule(
    id="experimental-model",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example(_PATH, "lifecycle: {state: experimental}", _OLD, at="experimental}"),),
    good=(Example(_PATH, "lifecycle: {state: deprecated}", _OLD),),
)
