"""What there is to judge below one root: the files' names and ids from git or the disk, their contents when asked for.

Neighbours: listing.py asks git and the disk, judge.py judges, history.py compares with a base. Paths are relative to the
root, `/` between parts; bytes that are not UTF-8 stand in them as surrogates.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tidegate.cli.check.entry import Entry, blob_id, is_file
from tidegate.cli.check.listing import Listing, list_disk, list_index, list_work_tree, read_file
from tidegate.gitrepo.git import Git, clean_environment, sort
from tidegate.spec.errors import NeedsPerson, TidegateError

__all__ = ["Entry", "Tree", "blob_id", "tree_of"]


@dataclass(frozen=True)
class Tree:
    """One root. `git` is None outside of any repository. `prefix` leads from git's top to the root: '' or 'a/b/'.

    `staged`: what the index holds is judged, and what no commit will hold is not (pre-commit); else the work tree.
    `private`: the folder of this repository that git keeps out of every commit, for what one run leaves to the next.
    """

    root: Path
    git: Git | None
    prefix: str
    staged: bool
    private: Path | None = None

    @cached_property
    def listing(self) -> Listing:
        """What git or the disk says is there. Raises NeedsPerson for what cannot be read."""
        if self.git is None:
            return list_disk(self.root)
        return (list_index if self.staged else list_work_tree)(self.root, self.environment)

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """For git: pre-commit is run on an index of its own where a commit takes only some of the files."""
        environment = clean_environment()
        index = os.environ.get("GIT_INDEX_FILE")
        if self.staged and self.git is not None and index and Path(index).resolve().parent == self.git.directory:
            environment["GIT_INDEX_FILE"] = str(Path(index).resolve())
        return environment

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Everything that stands where Tidegate reads: its files, and links and submodules, which it does not follow."""
        return self.listing.entries

    @cached_property
    def files(self) -> Mapping[str, Entry]:
        """The files that are judged."""
        return {path: entry for path, entry in self.entries.items() if is_file(entry)}

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Contents of these files; of one that is too large, just enough to tell. Raises NeedsPerson.

        What stands on the disk may be other than what git took it for (a filter, a file that changes this moment): then
        its id in `files` does not fit it, and nothing may be remembered by that id.
        """
        known = self.listing.contents
        found = {path: known[path] for path in paths if path in known}
        asked = [path for path in paths if path not in known and path in self.files]
        missing = asked
        if not self.staged:
            missing = []
            for path in asked:
                text = read_file(self.root, path)
                if text is None:
                    missing.append(path)  # a sparse checkout: git has it, the disk has not
                else:
                    found[path] = text
        if missing:
            contents = self.contents(self.files[path].blob for path in missing)
            found |= {path: contents[self.files[path].blob] for path in missing}
        return found

    def contents(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The contents of these blobs of the repository, by id. Raises DamagedRepository for one that is missing."""
        from tidegate.gitrepo.tree import blobs

        asked = set(ids)
        found = {blob: self._held[blob] for blob in asked if blob in self._held}
        if len(found) < len(asked):
            assert self.git is not None
            found |= blobs(self.git, asked.difference(found))
        return found

    def hold(self, ids: Iterable[str]) -> None:
        """Keep these contents in memory."""
        self._held.update(self.contents(ids))

    @cached_property
    def _held(self) -> dict[str, bytes]:
        return {}


def tree_of(root: Path, staged: bool | None = None, *, git: bool = False) -> Tree:
    """The tree below `root`. Unless said otherwise, pre-commit's own variable tells whether the index is meant.

    `git`: without it there is no answer, so what keeps it from answering is raised; else the disk has to do.
    """
    wanted = os.environ.get("PRE_COMMIT") == "1" if staged is None else staged
    if any((folder / ".git").exists() for folder in (root, *root.parents)):
        try:
            return _in_git(root, wanted)
        except TidegateError:
            if git or wanted:
                raise
    return Tree(root, None, "", staged=False)


def _in_git(root: Path, staged: bool) -> Tree:
    words = ("--absolute-git-dir", "--git-path", "tidegate", "--show-prefix")
    command = ["git", "-C", str(root), "rev-parse", *words]
    try:
        answer = subprocess.run(command, env=clean_environment(), capture_output=True, check=False)
    except FileNotFoundError as error:
        raise NeedsPerson("the program 'git' was not found", fix="install git 2.34 or newer") from error
    if answer.returncode:
        raise sort(answer.stderr.decode("utf-8", "replace"), where=str(root))
    directory, private, prefix, *_ = os.fsdecode(answer.stdout).split("\n")
    return Tree(root, Git(Path(directory)), prefix, staged, root / private)
