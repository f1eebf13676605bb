"""A config that is pinned names its commit in full: `config: default@<40 hex>`.

A short hash becomes ambiguous as the repository grows, and then the route has no config at all. `git rev-parse HASH`
prints the full commit.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Judge the config of every deployment and of every feature's override."""
    for _, deployment in context.deployments():
        asked: list[tuple[tuple[str, ...], str | None]] = [(("config",), deployment.value.config)]
        asked += [(("features", name, "config"), f.config) for name, f in deployment.value.features.items()]
        for loc, config in asked:
            name, _, commit = (config or "").partition("@")
            if not commit or (len(commit) in (40, 64) and commit.strip("0")):
                continue
            if commit.strip("0"):
                message = f"'{commit}' has {len(commit)} hex digits: it can come to mean another commit, or none"
            else:
                message = "a commit of zeros is none"
            yield RULE.finding(deployment, loc, message, f"write {name}@ and what 'git rev-parse {commit}' prints")


_PINNED = "config: default@507a3991d874042a92e7581eb6e7cc7074b0c77e"

RULE = Rule(
    id="short-config-pin",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/digits/deployment.yaml", "config: default@507a399", "config: default", at="default@", mended=_PINNED
        ),
    ),
    good=(Example("models/digits/deployment.yaml", _PINNED, "config: default"),),
)
