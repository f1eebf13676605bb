"""What there is to judge below one root: the files' names and ids from git or the disk, their contents when asked for.

Neighbours: judge.py judges it, history.py compares it with a base. Paths are relative to the root, `/` between parts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

from tidegate.gitrepo.git import Git


class Entry(NamedTuple):
    """One path: git's mode (`100644`, `100755`, `120000` a link, `160000` a submodule) and the id of its blob."""

    mode: str
    blob: str


@dataclass(frozen=True)
class Tree:
    """One root. `git` is None outside of any repository. `prefix` leads from git's top to the root: '' or 'a/b/'.

    `staged`: what the index holds is judged, and what no commit will hold is not (pre-commit); else the work tree.
    """

    root: Path
    git: Git | None
    prefix: str
    staged: bool

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """Every file that Tidegate reads."""
        from tidegate.rules.worktree import read_files

        return read_files(self.root)

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Mode and id of every file that Tidegate reads."""
        return {path: Entry("100644", blob_id(text)) for path, text in self.files.items()}

    def contents(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The contents of these blobs of the repository, by id. Raises DamagedRepository for one that is missing."""
        assert self.git is not None
        from tidegate.gitrepo.tree import blobs

        return blobs(self.git, set(ids))


def blob_id(content: bytes) -> str:
    """The id that git gives to this content, in a repository of SHA-1."""
    return sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()


def tree_of(root: Path, staged: bool | None = None) -> Tree:
    """The tree below `root`. Unless said otherwise, pre-commit's own variable tells whether the index is meant."""
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
    git = Git.of_clone(root) if top is not None else None
    prefix = "" if top is None or top == root else root.relative_to(top).as_posix() + "/"
    wanted = os.environ.get("PRE_COMMIT") == "1" if staged is None else staged
    return Tree(root, git, prefix, wanted and git is not None)
