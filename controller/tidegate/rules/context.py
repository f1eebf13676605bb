"""What a rule may look at: the declared kinds, and the files that they were read from. Rules never touch a disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tidegate.spec.declared import Declared, DeclaredModel, Loaded
from tidegate.spec.deployment import Deployment
from tidegate.spec.policy import RolloutPolicy
from tidegate.spec.version import ModelVersion


@dataclass(frozen=True, slots=True)
class Context:
    """One commit or work tree. `files` by path relative to its root; there may be some that Tidegate does not read.

    `base`: the files of the commit that this is compared with; empty where no history was asked for.
    """

    declared: Declared
    files: Mapping[str, bytes]
    base: Mapping[str, bytes] = field(default_factory=dict)

    def versions(self) -> Iterator[tuple[DeclaredModel, Loaded[ModelVersion]]]:
        """Every version file that could be read, with the model that it lies in."""
        for model in self.declared.models.values():
            for version in model.versions.values():
                yield model, version

    def deployments(self) -> Iterator[tuple[DeclaredModel, Loaded[Deployment]]]:
        """Every deployment that could be read, with the model that it lies in."""
        for model in self.declared.models.values():
            for deployment in model.deployments.values():
                yield model, deployment

    def policies(self) -> Iterator[Loaded[RolloutPolicy]]:
        """Every rollout policy that could be read."""
        yield from self.declared.policies.values()

    def users(self, policy: str) -> Iterator[DeclaredModel]:
        """The models with a deployment that names this policy, for itself or for a feature."""
        for model in self.declared.models.values():
            for deployment in model.deployments.values():
                value = deployment.value
                if policy == value.policy or any(policy == feature.policy for feature in value.features.values()):
                    yield model
                    break
