"""What many rules walk over: the files that could be read, their texts with positions, the versions that are in use.

Neighbours: context.py holds what is walked over; checks/ does the judging.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.rules.context import Context
from tidegate.spec.declared import DeclaredModel, Loaded
from tidegate.spec.deployment import Deployment
from tidegate.spec.source import Loc, Node, Source
from tidegate.spec.version import ModelVersion


@dataclass(frozen=True, slots=True)
class Scalar:
    """One text in a file: where it is declared, what it says, and line and column. `loc` ends with a key's own name."""

    loc: Loc
    text: str
    line: int
    column: int
    key: bool = False

    @property
    def name(self) -> str:
        """The key that it stands under, or that it is."""
        return next((part for part in reversed(self.loc) if isinstance(part, str)), "")


@dataclass(frozen=True, slots=True)
class Asked:
    """What one route of a deployment runs. `feature`: None for the model's own; `loc`: of the version's name."""

    deployment: Loaded[Deployment]
    feature: str | None
    version: str
    policy: str
    loc: Loc


def documents(context: Context) -> Iterator[Loaded[Any]]:
    """Every file that could be read."""
    for folder in context.declared.models.values():
        yield from (folder.model,) if folder.model is not None else ()
        yield from folder.versions.values()
        yield from folder.configs.values()
        yield from folder.deployments.values()
    yield from context.declared.policies.values()
    for single in (context.declared.governance, context.declared.prices, context.declared.controller):
        yield from (single,) if single is not None else ()


def scalars(source: Source, loc: Loc = ()) -> Iterator[Scalar]:
    """Every key and every text at or below `loc`, in the order of the file. Numbers, booleans and nulls are left out."""
    node = source.tree
    for part in loc:
        if node is None or node[0] not in ("map", "seq"):
            return
        node = _below(node, part)
    if node is not None:
        yield from _walk(node, loc)


def texts(source: Source) -> list[str]:
    """Every key and every text of a file, in no order: a quick look at whether `scalars` are worth it."""
    found: list[str] = []
    nodes = [source.tree] if source.tree is not None else []
    while nodes:
        tag, content, _, _ = nodes.pop()
        if tag == "str":
            found.append(content)
        elif tag == "map":
            found += [entry[0] for entry in content]
            nodes += [entry[1] for entry in content]
        elif tag == "seq":
            nodes += content
    return found


def _below(node: Node, part: str | int) -> Node | None:
    if node[0] == "map":
        return next((entry[1] for entry in node[1] if entry[0] == part), None)
    return node[1][part] if isinstance(part, int) and part < len(node[1]) else None


def _walk(node: Node, loc: Loc) -> Iterator[Scalar]:
    tag, content, line, column = node
    if tag == "str":
        yield Scalar(loc, content, line, column)
    elif tag == "map":
        for key, child, key_line, key_column in content:
            yield Scalar((*loc, key), key, key_line, key_column, key=True)
            yield from _walk(child, (*loc, key))
    elif tag == "seq":
        for index, child in enumerate(content):
            yield from _walk(child, (*loc, index))


def asked(deployment: Loaded[Deployment]) -> Iterator[Asked]:
    """What each route of a deployment runs; what a feature leaves out it inherits."""
    value = deployment.value
    yield Asked(deployment, None, value.version, value.policy, ("version",))
    for name, override in value.features.items():
        loc = ("features", name, "version") if override.version is not None else ("version",)
        yield Asked(deployment, name, override.version or value.version, override.policy or value.policy, loc)


def in_use(context: Context) -> Iterator[tuple[DeclaredModel, Loaded[ModelVersion]]]:
    """The versions that a deployment names, and those that the change adds.

    A version is immutable: what was merged long ago and serves nobody cannot be mended, and is not told again.
    """
    for folder in context.declared.models.values():
        named = {route.version for deployment in folder.deployments.values() for route in asked(deployment)}
        for name, version in folder.versions.items():
            if name in named or (context.history is not None and version.path not in context.history.files):
                yield folder, version
