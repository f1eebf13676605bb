"""A deployment may only name an inference config that the model has.

`config: default` asks for `configs/default.yaml` in the same folder. `config: default@1f3c...` pins the config as it
was in that commit; whether it is there is seen when the commit is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Look up the config of every deployment and of every feature's override."""
    for folder, deployment in context.deployments():
        asked: list[tuple[tuple[str, ...], str | None]] = [(("config",), deployment.value.config)]
        asked += [(("features", name, "config"), f.config) for name, f in deployment.value.features.items()]
        for loc, config in asked:
            path = f"models/{folder.name}/configs/{config}.yaml"
            if config is None or "@" in config or config in folder.configs or path in context.files:
                continue
            close = similar(config, folder.configs)
            fix = f"did you mean '{close}'?" if close else f"write {path} first, or name a config that is there"
            yield RULE.finding(deployment, loc, f"'{folder.name}' has no config '{config}'", fix)


RULE = Rule(
    id="unknown-config",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/deployment.yaml", "config: defaults", "config: default", at="defaults"),
        Example(
            "models/digits/deployment.yaml", "archive: {config: careful}", 'archive: {version: "1.0.0"}', at="careful}"
        ),
    ),
    good=(
        Example(
            "models/digits/deployment.yaml",
            "config: default@507a3991d874042a92e7581eb6e7cc7074b0c77e",
            "config: default",
        ),
    ),
)
