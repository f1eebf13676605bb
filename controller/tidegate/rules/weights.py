"""The files that declarations name by uri and digest: artifacts and adapters in use, and evaluation sets.

Neighbours: documents.py says which versions are in use; checks/references and checks/safety judge what is found here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.spec.declared import Loaded
from tidegate.spec.source import Loc


@dataclass(frozen=True, slots=True)
class Weights:
    """One file by name. `loc` leads to the mapping with `uri` and `sha256`; `size` in bytes, where it is declared."""

    file: Loaded[Any]
    loc: Loc
    uri: str
    sha256: str
    size: int | None = None
    format: str | None = None

    @property
    def path(self) -> str | None:
        """Where it lies in the repository; None when it lies elsewhere, or the uri is not right."""
        return inside(self.uri)


def weights(context: Context, *, sets: bool = True) -> Iterator[Weights]:
    """Artifacts and adapters of the versions in use; with `sets` the models' evaluation sets too."""
    for _, version in in_use(context):
        artifact = version.value.artifact
        if artifact is not None:
            yield Weights(version, ("artifact",), artifact.uri, artifact.sha256, artifact.size, artifact.format)
        for index, adapter in enumerate(version.value.adapters):
            yield Weights(version, ("adapters", index), adapter.uri, adapter.sha256)
    for folder in context.declared.models.values() if sets else ():
        if folder.model is not None and (wanted := folder.model.value.acceptance.evaluation_set) is not None:
            yield Weights(folder.model, ("acceptance", "evaluation_set"), wanted.uri, wanted.sha256)


def inside(uri: str) -> str | None:
    """The path in the repository of `file:PATH`; None for everything else."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    path = unquote(parts.path)
    if parts.scheme != "file" or parts.netloc or path.startswith("/") or not path.strip("/") or "\0" in path:
        return None
    return None if ".." in PurePosixPath(path).parts else str(PurePosixPath(path))
