"""A change of what serves says why, in the deployment's `reason`.

It is what people read when they ask why this version went out: in the status, in the history and in a revert. The reason
of the change before is none. Judged with `--base REF`, where a version, config or policy changes. To mend, write one
sentence into `reason:`, beside what changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.declared import Loaded
from tidegate.spec.deployment import Deployment
from tidegate.spec.source import Loc

_SERVED = ("version", "config", "policy")


def check(context: Context) -> Iterator[Finding]:
    """Compare every deployment with the base."""
    if context.history is None:
        return
    for folder, deployment in context.deployments():
        base = context.history.declared.models.get(folder.name)
        before = base.deployments.get(deployment.path) if base is not None else None
        if before is None and deployment.path in context.history.files:
            continue  # the base's could not be read
        yield from _changes(deployment, before.value if before is not None else None)


def _changes(deployment: Loaded[Deployment], before: Deployment | None) -> Iterator[Finding]:
    now = deployment.value
    changed = next((name for name in _SERVED if getattr(now, name) != getattr(before, name, None)), None)
    if changed is not None:
        yield from _judged(deployment, (), changed, now.reason, before.reason if before is not None else None)
    for feature, override in now.features.items():
        former = before.features.get(feature) if before is not None else None
        altered = next((name for name in _SERVED if getattr(override, name) != getattr(former, name, None)), None)
        if altered is None or (changed is not None and override.reason is None):
            continue  # the deployment's own reason speaks for both
        own = override.reason is not None
        reason = override.reason if own else now.reason
        earlier = former.reason if own and former is not None else before.reason if before is not None else None
        yield from _judged(deployment, ("features", feature), altered, reason, earlier, own=own)


def _judged(
    deployment: Loaded[Deployment], loc: Loc, changed: str, reason: str | None, before: str | None, *, own: bool = True
) -> Iterator[Finding]:
    what = f"the {changed} of '{loc[-1]}'" if loc else f"the {changed}"
    if reason is None or not reason.strip():
        yield RULE.finding(deployment, (*loc, changed), f"{what} changes, and nothing says why", "add 'reason:'")
    elif reason == before:
        where = (*loc, "reason") if own else ("reason",)
        message = f"{what} changes, and the reason is that of the change before"
        yield RULE.finding(deployment, where, message, "write why this goes out")


_PATH = "models/digits/deployment.yaml"
_OLD = 'version: "2.0.0"\nconfig: default\npolicy: progressive\nreplicas: 2\nreason: The August scans are in.\n'
_NEW = _OLD.replace("2.0.0", "1.1.0")

RULE = Rule(
    id="missing-reason",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    compares=True,
    bad=(
        Example(_PATH, _NEW, _OLD, at="The August", mended=_NEW.replace("The August scans are in.", "It costs half.")),
        Example(
            _PATH,
            'archive: {version: "1.1.0"}',
            'archive: {version: "1.0.0"}',
            at="The August",
            mended='archive: {version: "1.1.0", reason: It costs half.}',
        ),
        Example(
            "models/assistant/deployment.yaml",
            "policy: progressive\nconfig: brief\n",
            "config: default\npolicy: progressive\n",
            at="brief",
        ),
    ),
    good=(Example(_PATH, _OLD.replace("replicas: 2", "replicas: 3"), _OLD),),
)
