"""A deployment may only name a version that the model has.

`version: "2.0.0"` asks for `versions/2.0.0.yaml` in the same folder; the same holds for the overrides of a feature.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Look up the version of every deployment and of every feature's override."""
    for folder, deployment in context.deployments():
        asked: list[tuple[tuple[str, ...], str | None]] = [(("version",), deployment.value.version)]
        asked += [(("features", name, "version"), f.version) for name, f in deployment.value.features.items()]
        for loc, version in asked:
            path = f"models/{folder.name}/versions/{version}.yaml"
            if version is None or version in folder.versions or path in context.files:
                continue
            close = similar(version, folder.versions)
            fix = f'did you mean "{close}"?' if close else f"write {path} first, or name a version that is there"
            yield RULE.finding(deployment, loc, f"'{folder.name}' has no version '{version}'", fix)


RULE = Rule(
    id="unknown-version",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/deployment.yaml", 'version: "2.0.1"', 'version: "2.0.0"', at='"2.0.1"'),
        Example(
            "models/digits/deployment.yaml", 'archive: {version: "0.9.0"}', 'archive: {version: "1.0.0"}', at='"0.9.0"'
        ),
    ),
    good=(Example("models/digits/deployment.yaml", 'version: "1.0.0"', 'version: "2.0.0"'),),
)
