"""What a file says it is called must be what its path says.

`model:` is the folder's name, `version:` and `name:` are the file's. Otherwise a copied file declares another thing
than the one that its reader, and the deployment that refers to it, think of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.declared import Loaded
from tidegate.spec.layout import place


def check(context: Context) -> Iterator[Finding]:
    """Compare `model`, `version` and `name` with folder and file."""
    for folder in context.declared.models.values():
        loaded: list[Loaded[Any]] = [*folder.versions.values(), *folder.configs.values(), *folder.deployments.values()]
        for file in loaded:
            if file.value.model != folder.name:
                yield _mismatch(file, "model", file.value.model, f"the folder '{folder.name}'", folder.name)
        if folder.model is not None and folder.model.value.name != folder.name:
            yield _mismatch(folder.model, "name", folder.model.value.name, f"the folder '{folder.name}'", folder.name)
        for name, version in folder.versions.items():
            if version.value.version != name:
                yield _mismatch(version, "version", version.value.version, f"the file '{name}.yaml'", f'"{name}"')
        for name, config in folder.configs.items():
            if config.value.name != name:
                yield _mismatch(config, "name", config.value.name, f"the file '{name}.yaml'", name)
    for policy in context.policies():
        found = place(policy.path)
        if found is not None and policy.value.name != found.name:
            yield _mismatch(policy, "name", policy.value.name, f"the file '{found.name}.yaml'", found.name)


def _mismatch(file: Loaded[Any], name: str, said: str, where: str, meant: str) -> Finding:
    return RULE.finding(file, (name,), f"'{name}' is '{said}' in {where}", f"write '{name}: {meant}', or move the file")


RULE = Rule(
    id="name-mismatch",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    bad=(
        Example("models/digits/versions/2.0.0.yaml", 'version: "2.0.1"', 'version: "2.0.0"', at='"2.0.1"'),
        Example("models/digits/deployment.yaml", "model: digit\n", "model: digits\n", at="digit\n"),
        Example("models/digits/model.yaml", "name: digit\n", "name: digits\n", at="digit\n"),
        Example("models/digits/configs/default.yaml", "name: standard\n", "name: default\n", at="standard"),
        Example("policies/progressive.yaml", "name: steady\n", "name: progressive\n", at="steady"),
    ),
    good=(Example("models/digits/model.yaml", "name: digits # 0 to 9\n", "name: digits\n"),),
)
