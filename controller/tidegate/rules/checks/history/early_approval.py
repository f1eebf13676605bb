"""An approval follows what it approves: it does not come in the same change as the release.

A step with `approve: manual` waits so that somebody looks at the steps before it. An approval that is merged with the
version was given before there was anything to look at, and the step goes by without a stop. Judged with `--base REF`, for
approvals that this change adds beside another version or config (`stale-approval` tells of those from before). To mend,
leave the name out, and approve when the rollout asks for it: `tidegate status` says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.deployment import Deployment


def check(context: Context) -> Iterator[Finding]:
    """Find approvals that are new together with what they approve."""
    history = context.history
    if history is None:
        return
    changed = {change.path for change in history.changes if change.status == "M"}
    for folder, deployment in context.deployments():
        base = history.declared.models.get(folder.name) if deployment.path in changed else None
        before = base.deployments.get(deployment.path) if base is not None else None
        if before is None:
            continue
        was, now = before.value, deployment.value
        for feature in (None, *now.features):
            if _asked(was, feature) == _asked(now, feature):
                continue
            for index, name in enumerate(_own(now, feature)):
                if name not in _approvals(was, feature):
                    loc = ("approvals", index) if feature is None else ("features", feature, "approvals", index)
                    message = f"'{name}' is approved in the change that asks for the release: nobody can have looked at it yet"
                    fix = f"take '{name}' out, and approve the step when the rollout has come to it"
                    yield RULE.finding(deployment, loc, message, fix)


def _asked(deployment: Deployment, feature: str | None) -> tuple[str, str | None]:
    own = deployment.features.get(feature) if feature is not None else None
    if own is None:
        return deployment.version, deployment.config
    return own.version or deployment.version, own.config or deployment.config


def _own(deployment: Deployment, feature: str | None) -> tuple[str, ...]:
    """The approvals that stand at this place of the file."""
    if feature is None:
        return deployment.approvals
    return deployment.features[feature].approvals or ()


def _approvals(deployment: Deployment, feature: str | None) -> tuple[str, ...]:
    """The approvals that count for the route, inheritance applied."""
    own = deployment.features.get(feature) if feature is not None else None
    return deployment.approvals if own is None or own.approvals is None else own.approvals


_ARCHIVE = 'archive: {version: "1.0.0"}'
_MOVED = 'archive: {version: "1.0.0"}\n  checkout: {version: "1.0.0"}'

RULE = Rule(
    id="early-approval",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/digits/deployment.yaml",
            'archive: {version: "1.0.0"}\n  checkout: {version: "1.0.0", approvals: [half]}',
            _ARCHIVE,
            at="half",
            mended=_MOVED,
        ),
    ),
    good=(
        Example("models/digits/deployment.yaml", "approvals: [half]", "approvals: []"),
        Example("models/digits/deployment.yaml", _MOVED, _ARCHIVE),
    ),
)
