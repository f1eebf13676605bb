"""One path of a tree, as git would note it, and which paths count. Neighbours: listing.py fills them in, units.py sorts them."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

FOLDERS: Final = ("versions", "configs", "deployments")
"""The folders inside a model's folder whose files are read."""


class Entry(NamedTuple):
    """One path: git's mode (`100644`, `100755`, `120000` a link, `160000` a submodule) and the id of its blob."""

    mode: str
    blob: str


def is_file(entry: Entry) -> bool:
    """Whether this is a file that Tidegate reads; links and submodules it does not follow, in git and on the disk alike."""
    return entry.mode.startswith("100")


def counts(path: str, mode: str) -> bool:
    """Whether something of that mode at that path is a file to read, or stands in the way of some.

    For files this is `spec.layout.wanted`, without regular expressions: it is asked for every path there is.
    """
    parts = path.split("/")
    first, depth = parts[0], len(parts)
    named = parts[-1].endswith(".yaml") and parts[-1] != ".yaml"
    if first == "models":
        if depth == 4:
            return named and parts[2] in FOLDERS and parts[1] != ""
        if depth == 3 and parts[2] in ("model.yaml", "deployment.yaml"):
            return parts[1] != ""
        return not mode.startswith("100") and (depth < 3 or (depth == 3 and parts[2] in FOLDERS))
    if first == "policies":
        return named if depth == 2 else depth == 1 and not mode.startswith("100")
    return path == "tidegate.yaml"


def is_yaml(path: str) -> bool:
    """Whether its name says that it is YAML: then somebody may think that it is read."""
    return path.endswith((".yaml", ".yml"))


def blob_id(content: bytes, size: int | None = None, algorithm: str = "sha1") -> str:
    """The id that git gives to a file of this content. `size` in bytes, where the content is only the beginning of it."""
    head = b"blob %d\0" % (len(content) if size is None else size)
    return hashlib.new(algorithm, head + content, usedforsecurity=False).hexdigest()
