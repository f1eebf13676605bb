"""What the evidence rules share: each deployed version against its model's contract, as the controller would judge it.

Neighbours: spec/contract.py judges, documents.py says which route runs what; checks/evidence/ tells each kind apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.rules.context import Context
from tidegate.rules.documents import Asked, asked
from tidegate.spec.contract import Kind, Shortfall, shortfalls
from tidegate.spec.declared import DeclaredModel, Loaded
from tidegate.spec.deployment import Deployment
from tidegate.spec.model import Acceptance
from tidegate.spec.semver import read
from tidegate.spec.version import ModelVersion


@dataclass(frozen=True, slots=True)
class Served:
    """A version that a route asks for. `required`: its policy wants an evaluation. `before`: what the route ran before."""

    folder: DeclaredModel
    route: Asked
    version: Loaded[ModelVersion]
    required: bool
    before: ModelVersion | None


def served(context: Context) -> Iterator[Served]:
    """Every route of every deployment whose version and policy could be read."""
    for folder in context.declared.models.values():
        for deployment in folder.deployments.values():
            former = _former(context, folder, deployment)
            for route in asked(deployment):
                version = folder.versions.get(route.version)
                policy = context.declared.policies.get(route.policy)
                if version is not None and policy is not None:
                    required = policy.value.validation.evaluation == "required"
                    yield Served(folder, route, version, required, _before(context, folder, former, route))


def contract(folder: DeclaredModel) -> Acceptance:
    """What the model asks of its versions; nothing where model.yaml cannot be read."""
    return folder.model.value.acceptance if folder.model is not None else Acceptance()


def falling_short(context: Context, *kinds: Kind) -> Iterator[tuple[Loaded[ModelVersion], Shortfall]]:
    """What the contract misses in the versions that are asked for: each shortfall once, however many routes ask."""
    told: set[tuple[str, Shortfall]] = set()
    for one in served(context):
        evaluation = one.version.value.evaluation
        if evaluation is None:
            continue
        against = one.before.evaluation if one.before is not None else None
        name = one.before.version if one.before is not None else ""
        for found in shortfalls(contract(one.folder), evaluation, against, name, required=one.required):
            if found.kind in kinds and (one.version.path, found) not in told:
                told.add((one.version.path, found))
                yield one.version, found


def _former(context: Context, folder: DeclaredModel, deployment: Loaded[Deployment]) -> dict[str | None, str]:
    """The version of each route in the base, by feature; of a feature that had none of its own, the model's."""
    if context.history is None:
        return {}
    base = context.history.declared.models.get(folder.name)
    found = base.deployments.get(deployment.path) if base is not None else None
    return {route.feature: route.version for route in asked(found)} if found is not None else {}


def _before(
    context: Context, folder: DeclaredModel, former: dict[str | None, str], route: Asked
) -> ModelVersion | None:
    """The version that the route leaves for a newer one. Going back to an older one is a rollback: that may lose."""
    name = former.get(route.feature, former.get(None))
    if name is None or name == route.version:
        return None
    old, new = read(name), read(route.version)
    if old is not None and new is not None and new.precedence < old.precedence:
        return None
    base = context.history.declared.models.get(folder.name) if context.history is not None else None
    found = folder.versions.get(name) or (base.versions.get(name) if base is not None else None)
    return found.value if found is not None else None
