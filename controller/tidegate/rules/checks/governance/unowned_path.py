"""Where governance has roles, every declared file has somebody who answers for it.

A role for deployments and none for versions means that anybody may merge a version. Asked for are each model's file,
versions, configs and deployments, and the policies. To mend, add the path to a role in policies/governance.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.owners import matches
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for a role for each place of each model, and for the policies."""
    governance = context.declared.governance
    if governance is None or not governance.value.roles:
        return
    patterns = [path for role in governance.value.roles.values() for path in role.paths]
    places = [(f"policies/{name}.yaml", "", f"policies/{name}.yaml") for name in context.declared.policies]
    for name in sorted(context.facts):
        folder = f"models/{name}"
        places += [
            (f"{folder}/model.yaml", "", f"{folder}/model.yaml"),
            (f"{folder}/versions/1.0.0.yaml", "", f"{folder}/versions/*.yaml"),
            (f"{folder}/configs/default.yaml", "", f"{folder}/configs/*.yaml"),
            (f"{folder}/deployment.yaml", f"{folder}/deployments/production.yaml", f"{folder}/deployment.yaml"),
        ]
    missing = [
        shown
        for path, other, shown in places
        if not any(matches(pattern, path) or (other and matches(pattern, other)) for pattern in patterns)
    ]
    if missing:
        more = f", nor for {len(missing) - 1} other places" if len(missing) > 1 else ""
        message = f"no role answers for {missing[0]}{more}"
        yield RULE.finding(governance, ("roles",), message, "add it to the paths of a role", key=True)


_PATH = "policies/governance.yaml"
_MODELS = '"models/*/model.yaml", "models/*/versions/*.yaml", "models/*/configs/*.yaml"'

RULE = Rule(
    id="unowned-path",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(_PATH, '"models/*/model.yaml", "models/*/configs/*.yaml"', _MODELS, at="roles:"),
        Example(_PATH, '"models/digits/deployment.yaml"', '"models/*/deployment.yaml"', at="roles:"),
    ),
    good=(Example(_PATH, '"models/*/deployment*"', '"models/*/deployment.yaml"'),),
)
