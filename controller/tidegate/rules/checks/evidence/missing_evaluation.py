"""A deployed version must have an evaluation where its policy requires one.

`validate: {evaluation: required}` in the policy says that nothing goes out without evidence; the controller rejects a
candidate that has none. To mend, deploy a version with `evaluation:`, or a policy that asks for none.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.evidence import served
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look at the version and the policy of every route."""
    told = set()
    for one in served(context):
        route = one.route
        place = (route.deployment.path, route.loc)
        if one.required and one.version.value.evaluation is None and place not in told:
            told.add(place)
            message = f"{route.version} has no evaluation, and the policy '{route.policy}' requires one"
            fix = "deploy a version that was evaluated: its file has 'evaluation:'"
            yield RULE.finding(route.deployment, route.loc, message, fix)


RULE = Rule(
    id="missing-evaluation",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example("policies/progressive.yaml", "validate: {evaluation: required}\nsteps:", "steps:", at='"1.0.0"'),),
    good=(Example("policies/progressive.yaml", "validate: {requests: 50}\nsteps:", "steps:"),),
)
