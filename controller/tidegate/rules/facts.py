"""The little that the general rules may know of each model, so that one changed model does not mean reading all.

Neighbours: context.py hands them out; the model rules look at the whole folder instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.spec.declared import DeclaredModel
from tidegate.spec.model import Traffic


@dataclass(frozen=True, slots=True)
class Facts:
    """One model folder in short. `policies`: those that its deployments name, for themselves or for a feature.

    `replacement`: what its lifecycle names as such, with line and column of the name. `readable`: model.yaml could be read.
    `traffic`: how many requests its owners expect, where they say. `sticky`: one user keeps one release.
    """

    name: str
    readable: bool = False
    policies: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()
    owners: tuple[str, ...] = ()
    protocol: str = ""
    state: str = ""
    replacement: tuple[str, int, int] | None = None
    traffic: Traffic | None = None
    sticky: bool = False


def facts_of(folder: DeclaredModel) -> Facts:
    """The facts of one folder."""
    policies = set()
    for deployment in folder.deployments.values():
        policies.add(deployment.value.policy)
        policies |= {feature.policy for feature in deployment.value.features.values() if feature.policy is not None}
    if folder.model is None:
        return Facts(folder.name, policies=frozenset(policies))
    model, source = folder.model.value, folder.model.source
    replacement = model.lifecycle.replacement
    return Facts(
        name=folder.name,
        readable=True,
        policies=frozenset(policies),
        segments=frozenset(model.segments),
        features=frozenset(model.features),
        owners=model.owners,
        protocol=model.protocol,
        state=model.lifecycle.state,
        replacement=(replacement, *source.at(("lifecycle", "replacement"))) if replacement is not None else None,
        traffic=model.traffic,
        sticky=model.sticky is not None,
    )
