"""What a rule may look at: the declared kinds, and the files that they were read from. Rules never touch a disk.

Neighbours: facts.py (models in short, for the general rules), history.py (the base), rule.py says which rule gets what.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from tidegate.rules.facts import Facts, facts_of
from tidegate.rules.history import History
from tidegate.spec.declared import Declared, DeclaredModel, Loaded
from tidegate.spec.deployment import Deployment
from tidegate.spec.policy import RolloutPolicy
from tidegate.spec.version import ModelVersion


class Surroundings(Protocol):
    """The rest of the repository, asked only by rules that need it. Paths are relative to the root."""

    def sha256(self, path: str) -> str | None:
        """The digest of a file, in lower-case hex; None when there is no such file."""

    def size(self, path: str) -> int | None:
        """The bytes of a file; None when there is no such file."""

    def text(self, path: str) -> bytes | None:
        """A small file's content (CODEOWNERS, say); None when there is none."""


@dataclass(frozen=True, slots=True)
class Context:
    """One commit or work tree, or the part of it that is being judged. `files` by path relative to its root.

    A `model` rule finds the folders to judge in `declared.models` (one or many, it must not matter), with all policies
    and the governance beside them. A `general` rule finds no models there: it looks at `facts`, of all models.

    `history` is None where no base was asked for. `today` is None where the calendar must not matter (the controller:
    a date that passes must stop nothing). `surroundings` is None where there is no tree to look at.
    `unread`: paths of the YAML files at the root and below models/ and policies/ that Tidegate does not read, and of the
    links and submodules that stand where it would.
    """

    declared: Declared
    files: Mapping[str, bytes]
    history: History | None = None
    facts: Mapping[str, Facts] = field(default_factory=dict)
    today: date | None = None
    surroundings: Surroundings | None = None
    unread: Collection[str] = ()

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

    def users(self, policy: str) -> Iterator[Facts]:
        """The models with a deployment that names this policy, for itself or for a feature."""
        return (facts for facts in self.facts.values() if policy in facts.policies)


def facts(declared: Declared) -> dict[str, Facts]:
    """The facts of all models that were loaded."""
    return {name: facts_of(folder) for name, folder in declared.models.items()}
