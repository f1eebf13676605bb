"""A folder with versions, configs or a deployment must have a readable model.yaml.

It names the owners, the protocol, the features and the segments: without it nothing can be routed.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for folders without a model file."""
    for folder in context.declared.models.values():
        path = f"models/{folder.name}/model.yaml"
        if folder.model is None and path not in context.files:
            yield RULE.at(path, 1, 1, f"models/{folder.name} has no model.yaml", f"write {path} with 'kind: Model'")


RULE = Rule(
    id="missing-model",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/letters/deployment.yaml",
            'api: tidegate/v1\nkind: Deployment\nmodel: letters\nversion: "1.0.0"\npolicy: progressive\n',
        ),
    ),
    good=(
        Example(
            "models/letters/model.yaml",
            "api: tidegate/v1\nkind: Model\nname: letters\nsummary: Reads a letter.\nowners: [vision-platform]\n"
            "protocol: open-inference\n",
        ),
    ),
)
