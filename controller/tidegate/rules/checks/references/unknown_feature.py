"""A deployment may only override features that the model lists.

`features:` in model.yaml is the list of callers that have a route of their own. An override for a feature that is not
in it would be a release that nobody can reach.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Compare the overrides with the model's features."""
    for folder, deployment in context.deployments():
        if folder.model is None:
            continue
        known = folder.model.value.features
        for name in deployment.value.features:
            if name not in known:
                close = similar(name, known)
                fix = f"did you mean '{close}'?" if close else f"add '{name}' to 'features' in {folder.model.path}"
                yield RULE.finding(
                    deployment, ("features", name), f"'{folder.name}' has no feature '{name}'", fix, key=True
                )


RULE = Rule(
    id="unknown-feature",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example("models/digits/deployment.yaml", "archives: {", "archive: {", at="archives: "),),
    good=(Example("models/digits/deployment.yaml", "checkout: {", "archive: {"),),
)
