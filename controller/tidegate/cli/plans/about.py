"""What the two commits say of each route: the declared fields that differ, traffic, memory, who approves and reviews.

Neighbours: sides.py reads them; rollout/plan.py and plan_frame.py take what this finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidegate.cli.plans.sides import Clone, Half
from tidegate.rollout.plan import About
from tidegate.rollout.plan_frame import PolicyEdit, Review
from tidegate.rollout.state import Desired, RouteState
from tidegate.rules.owners import matches
from tidegate.spec.declared import Declared, DeclaredModel, Loaded
from tidegate.spec.deployment import FeatureOverride
from tidegate.spec.difference import Difference, differences
from tidegate.spec.digest import NOT_CONFIGURED, NOT_SERVED
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.release import split_route
from tidegate.spec.version import ModelVersion

HEADER = frozenset({"api", "kind", "model", "name"})
ROUTED = frozenset({"features", "segments", "sticky", "protocol"})
"""Fields of a model.yaml that change how requests reach it; the others say something about it."""


def about(
    clone: Clone, base: Half, head: Half, states: Mapping[str, RouteState], unknown: Mapping[str, str]
) -> dict[str, About]:
    """By route, for those of either side."""
    return {
        route: _about(clone, base, head, route, unknown.get(route))
        for route in sorted({*states, *base.desired, *head.desired})
    }


def policy_edits(base: Half, head: Half, states: Mapping[str, RouteState]) -> tuple[PolicyEdit, ...]:
    """The policies that differ, with the routes that are to use them."""
    found = []
    for name in sorted({*base.declared.policies, *head.declared.policies}):
        before, after = base.declared.policies.get(name), head.declared.policies.get(name)
        if before is None or after is None:
            continue
        changes = differences(before.source, after.source, without=HEADER, told=("summary",))
        if changes:
            routes = tuple(route for route in sorted(head.desired) if _policy(head.declared, route) == name)
            under_way = tuple(r for r in routes if (s := states.get(r)) is not None and s.candidate is not None)
            found.append(PolicyEdit(name, changes, routes, under_way))
    return tuple(found)


def reviews(base: Half, head: Half) -> tuple[Review, ...]:
    """The roles whose files the change touches, as the base has the roles: nobody makes themselves a reviewer."""
    governance = base.declared.governance or head.declared.governance
    if governance is None:
        return ()
    paths = sorted({*base.files, *head.files})
    changed = [path for path in paths if base.files.get(path) != head.files.get(path)]
    found = []
    for name, role in governance.value.roles.items():
        files = tuple(path for path in changed if any(matches(pattern, path) for pattern in role.paths))
        if files:
            found.append(Review(name, role.owners, files))
    return tuple(found)


def _about(clone: Clone, base: Half, head: Half, route: str, unknown: str | None) -> About:
    model, feature = split_route(route)
    old, new = base.declared.models.get(model), head.declared.models.get(model)
    before, after = base.desired.get(route), head.desired.get(route)
    inherits = feature is not None and isinstance(head.desired.get(model), Desired)
    version = _version(new, after)
    runtime = version.value.runtime if version is not None else None
    was = _version(old, before)
    was_runtime = was.value.runtime if was is not None else None
    limits = runtime.resources if runtime is not None else None
    was_limits = was_runtime.resources if was_runtime is not None else None
    changes: tuple[Difference, ...] = ()
    if old is not None and new is not None:
        changes = (
            *_asked(old, new, feature),
            *_files(clone, old, new, before, after),
            *(() if feature is not None else _model(old, new)),
        )
    return About(
        changes=changes,
        traffic=new.model.value.traffic if new is not None and new.model is not None else None,
        memory=limits.memory if limits is not None else None,
        memory_before=was_limits.memory if was_limits is not None else None,
        replicas_before=before.replicas if isinstance(before, Desired) else None,
        reason_before=before.reason if isinstance(before, Desired) else None,
        served=version is None or runtime is not None or inherits,
        approvers=_approvers(base, head, new),
        unknown=unknown,
    )


def _version(model: DeclaredModel | None, wish: Desired | str | None) -> Loaded[ModelVersion] | None:
    if model is None or not isinstance(wish, Desired):
        return None
    return model.versions.get(wish.release.version)


def _asked(old: DeclaredModel, new: DeclaredModel, feature: str | None) -> Iterable[Difference]:
    """What the deployment says of this route, with what a feature inherits."""
    if old.deployment is None or new.deployment is None:
        return
    was, now = _effective(old, feature), _effective(new, feature)
    for name, value in now.items():
        if was.get(name) != value:
            yield Difference(
                new.deployment.path, name, was.get(name), value, told=name not in ("version", "config", "replicas")
            )


def _effective(model: DeclaredModel, feature: str | None) -> dict[str, str | None]:
    """What counts for a route, as it is written."""
    assert model.deployment is not None
    value = model.deployment.value
    own = value.features.get(feature, FeatureOverride()) if feature is not None else FeatureOverride()
    approvals = value.approvals if own.approvals is None else own.approvals
    hold = value.hold if own.hold is None else own.hold
    return {
        "version": own.version or value.version,
        "config": own.config or value.config,
        "policy": own.policy or value.policy,
        "replicas": str(own.replicas or value.replicas),
        "hold": "true" if hold else "false",
        "approvals": f"[{', '.join(approvals)}]",
    }


def _files(
    clone: Clone,
    old: DeclaredModel,
    new: DeclaredModel,
    before: Desired | str | None,
    after: Desired | str | None,
) -> Iterable[Difference]:
    """The version and the config that are asked for, against those that were."""
    if (
        not isinstance(before, Desired)
        or not isinstance(after, Desired)
        or before.release.digest == after.release.digest
    ):
        return
    was, now = _version(old, before), _version(new, after)
    if was is not None and now is not None:
        yield from differences(was.source, now.source, without=HEADER | {"version", "reason"}, told=NOT_SERVED)
    was_config, now_config = _config(clone, old, before), _config(clone, new, after)
    if was_config is not None and now_config is not None:
        yield from differences(was_config.source, now_config.source, without=HEADER | {"reason"}, told=NOT_CONFIGURED)


def _config(clone: Clone, model: DeclaredModel, wish: Desired) -> Loaded[InferenceConfig] | None:
    if wish.release.config is None:
        return None
    name, _, commit = wish.release.config.partition("@")
    return clone.pinned(model.name, name, commit) if commit else model.configs.get(name)


def _model(old: DeclaredModel, new: DeclaredModel) -> Iterable[Difference]:
    if old.model is None or new.model is None or new.deployment is None:
        return ()
    fields = {*old.model.source.data, *new.model.source.data}
    return differences(old.model.source, new.model.source, without=HEADER, told=fields - ROUTED)


def _approvers(base: Half, head: Half, model: DeclaredModel | None) -> tuple[str, ...]:
    """Who answers for the deployment's file, by the governance's roles; none where no role is about it."""
    governance = base.declared.governance or head.declared.governance
    if governance is None or model is None or model.deployment is None:
        return ()
    path = model.deployment.path
    roles = (role for role in governance.value.roles.values() if any(matches(p, path) for p in role.paths))
    return tuple(dict.fromkeys(owner for role in roles for owner in role.owners))


def _policy(declared: Declared, route: str) -> str | None:
    """The policy that a route names."""
    model, feature = split_route(route)
    folder = declared.models.get(model)
    if folder is None or folder.deployment is None:
        return None
    value = folder.deployment.value
    own = value.features.get(feature) if feature is not None else None
    return (own.policy if own is not None else None) or value.policy
