"""An approval is for one release: a change of the release must not come with approvals from before.

`approvals` stay in the file until somebody takes them out. A new version that finds its step's name there walks on
without anybody having looked at it. Judged with `--base REF`. To mend, empty `approvals` in the change that asks for
the new release; who really wants to approve it beforehand says so in a change of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.deployment import Deployment


def check(context: Context) -> Iterator[Finding]:
    """Look for approvals that stood in the base already, where the version or the config is another one now."""
    if context.history is None:
        return
    for folder, deployment in context.deployments():
        past = context.history.declared.models.get(folder.name)
        before = past.deployments.get(deployment.path) if past is not None else None
        if before is None:
            continue
        old, new = before.value, deployment.value
        for feature in (None, *new.features):
            if feature is not None and new.features[feature].approvals is None:
                continue
            was, now = _asked(old, feature), _asked(new, feature)
            if was[:2] == now[:2]:
                continue
            at = ("features", feature, "approvals") if feature is not None else ("approvals",)
            for index, approval in enumerate(now[2]):
                if approval in was[2]:
                    yield RULE.finding(
                        deployment,
                        (*at, index),
                        f"'{approval}' was approved for {_name(was)}; {_name(now)} would walk on without being looked at",
                        f"take '{approval}' out, and approve the step when it is reached",
                    )


def _name(asked: tuple[str, str | None, tuple[str, ...]]) -> str:
    return f"{asked[0]} with {asked[1]}" if asked[1] else asked[0]


def _asked(deployment: Deployment, feature: str | None) -> tuple[str, str | None, tuple[str, ...]]:
    """Version, config and approvals of the model's route, or of a feature's."""
    override = deployment.features.get(feature) if feature is not None else None
    if override is None:
        return deployment.version, deployment.config, deployment.approvals
    approvals = deployment.approvals if override.approvals is None else override.approvals
    return override.version or deployment.version, override.config or deployment.config, approvals


RULE = Rule(
    id="stale-approval",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    compares=True,
    bad=(
        Example(
            "models/assistant/deployment.yaml",
            "policy: progressive\napprovals: [half]",
            "config: default\npolicy: progressive\napprovals: [half]",
            at="half]",
            mended="policy: progressive\napprovals: []",
        ),
    ),
    good=(Example("models/assistant/deployment.yaml", "approvals: [half] # by the team", "approvals: [half]"),),
)
