"""A config that is pinned to a commit should name the commit in full.

`config: default@4f2a91c` works until the repository has a second object that begins so; then the release can no longer
be read, and a rollback to it fails. `git rev-parse 4f2a91c` prints the full commit. A partial rollback writes it in full.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import floats
from tidegate.rules.rule import Example, Rule
from tidegate.spec.source import Loc


def check(context: Context) -> Iterator[Finding]:
    """Judge the commit in `config: NAME@COMMIT`, of the deployment and of each feature."""
    for _, deployment in context.deployments():
        value = deployment.value
        asked: list[tuple[Loc, str | None]] = [(("config",), value.config)]
        asked += [(("features", name, "config"), feature.config) for name, feature in value.features.items()]
        for loc, config in asked:
            name, at, commit = (config or "").partition("@")
            why = floats("git", commit) if at else None
            if why is not None:
                message = f"config '{name}' is pinned to '{commit}', which is not a full commit: {why}"
                yield RULE.finding(deployment, loc, message, f"write {name}@ and what 'git rev-parse {commit}' prints")


_PATH = "models/digits/deployment.yaml"
_COMMIT = "507a3991d874042a92e7581eb6e7cc7074b0c77e"

RULE = Rule(
    id="short-config-commit",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            _PATH,
            "config: default@507a399",
            "config: default",
            at="default@507a399",
            mended=f"config: default@{_COMMIT}",
        ),
        Example(
            _PATH,
            'archive: {version: "1.0.0", config: default@507a399}',
            'archive: {version: "1.0.0"}',
            at="default@507a399",
        ),
    ),
    good=(Example(_PATH, f"config: default@{_COMMIT}", "config: default"),),
)
