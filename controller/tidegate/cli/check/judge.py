"""All findings of what the caller named: the one function between the command line and the rules.

Neighbours: cli/validate.py calls it and prints, tree.py says what is there, history.py what was merged before, memory.py
what was found the last time, work.py judges the rest. Where nothing changed, nothing of the rules is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tidegate.cli.check.history import base_commit
from tidegate.cli.check.memory import Memory, Run
from tidegate.cli.check.stamp import stamp
from tidegate.cli.check.store import Store, folder_of
from tidegate.cli.check.surroundings import TreeSurroundings
from tidegate.cli.check.tree import Tree, tree_of
from tidegate.rules.finding import Finding
from tidegate.rules.worktree import find_root, is_root
from tidegate.spec.errors import NeedsPerson

if TYPE_CHECKING:
    from tidegate.rules.suppress import Silenced

_WORTH_REMEMBERING: Final = 200
"""Files. Outside of a repository, fewer are judged sooner than looked up, and leave nothing behind in the user's home."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found below the paths that the caller named, in order. `files`: how many were judged there.

    Paths of findings and `sources` are as the caller sees them: from the working directory, else from the root.
    `silenced`: what was found there too, and a comment in the file says why it is not told.
    `sources` reads a content when it is asked for: whoever prints takes no more than what the findings point at.
    """

    findings: tuple[Finding, ...]
    files: int
    sources: Mapping[str, bytes]
    roots: tuple[Path, ...]
    silenced: tuple[Silenced, ...] = ()


def judge(
    paths: Sequence[Path] = (), base: str | None = None, *, staged: bool | None = None, cache: bool = True
) -> Judged:
    """Judge every root that the paths lie in (without paths: the one around the working directory).

    `base`: what to compare with. `staged`: the index instead of the work tree; None asks pre-commit's variable.
    `cache`: whether to use, and to leave, what was found the last time; the findings are the same.
    Raises NeedsPerson for a path that is not there or in no repository, and for an unknown base.
    """
    findings: list[Finding] = []
    silenced: list[Silenced] = []
    views = []
    files = 0
    roots = _roots(paths)
    for root, below in roots.items():
        tree = tree_of(root, staged, git=base is not None)
        run = _run(tree, base, cache=cache)
        view = _View(tree, below, Path.cwd(), len(roots) > 1)
        findings += (replace(one, path=view.shown(one.path)) for one in run.kept if view.within(one.path))
        for one in run.silenced:
            if view.within(one.finding.path):
                moved = replace(one.finding, path=view.shown(one.finding.path))
                silenced.append(replace(one, finding=moved))
        files += run.files if view.whole else sum(map(view.within, tree.files))
        views.append(view)
    return Judged(tuple(sorted(findings)), files, _Sources(views), tuple(roots), tuple(silenced))


def _roots(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Each root to validate, and the paths below it that findings are wanted for; the root itself means all."""
    roots: dict[Path, list[Path]] = {}
    for path in paths or [Path()]:
        if not path.exists():
            raise NeedsPerson("there is no such file or folder", where=str(path), fix="look at the spelling")
        whole = path.resolve()
        if whole.is_dir() and is_root(whole):
            roots.setdefault(whole, []).append(whole)
        else:
            root = find_root(whole)
            roots.setdefault(root, []).append(root if not paths else whole)
    return roots


def _run(tree: Tree, base: str | None, *, cache: bool) -> Run:
    """All findings of one root, remembered or found."""
    today = date.today()  # noqa: DTZ011 the calendar of the person who asks
    worth = cache and (tree.git is not None or len(tree.files) >= _WORTH_REMEMBERING)
    memory = Memory(Store(folder_of(tree.root, tree.private), stamp()) if worth else Store(None, ""))
    asked = base_commit(tree, base, memory.word)
    common = repr((tree.staged, today.isoformat()))
    words = (common, tree.listing.token, asked.key if asked is not None else None)
    key = blake2b(repr(words).encode(), digest_size=16).hexdigest()
    run = memory.run(key)
    if run is None or not TreeSurroundings(tree).still(run.told):
        from tidegate.cli.check.work import work

        run = work(tree, asked, today, common, memory, key)
    return run


@dataclass(frozen=True)
class _View:
    """What the caller named below one root, and how the caller calls it. `several`: there are other roots beside it."""

    tree: Tree
    below: Sequence[Path]
    here: Path
    several: bool

    @cached_property
    def whole(self) -> bool:
        """Whether all of the root is wanted."""
        return self.tree.root in self.below

    def within(self, path: str) -> bool:
        """Whether a path, relative to the root, is wanted."""
        if self.whole:
            return True
        whole = self.tree.root / path
        return any(whole == wanted or wanted in whole.parents for wanted in self.below)

    def shown(self, path: str) -> str:
        """The path from the working directory; where it lies elsewhere from the root, of several roots the whole path."""
        if self._prefix is not None:
            return self._prefix + path
        whole = self.tree.root / path
        return whole.relative_to(self.here).as_posix() if whole.is_relative_to(self.here) else path

    @cached_property
    def _prefix(self) -> str | None:
        """What stands before each path; None where the working directory lies below the root."""
        if self.tree.root.is_relative_to(self.here):
            way = self.tree.root.relative_to(self.here).as_posix()
            return "" if way == "." else way + "/"
        if self.here.is_relative_to(self.tree.root):
            return None
        return f"{self.tree.root.as_posix()}/" if self.several else ""


class _Sources(Mapping[str, bytes]):
    """Contents by shown path, read when they are asked for."""

    def __init__(self, views: Sequence[_View]) -> None:
        self._views = views
        self._read: dict[str, bytes] = {}

    def __getitem__(self, shown: str) -> bytes:
        if shown not in self._read:
            view, path = self._places[shown]
            self._read[shown] = view.tree.read([path])[path]
        return self._read[shown]

    def __contains__(self, shown: object) -> bool:
        return shown in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @cached_property
    def _places(self) -> Mapping[str, tuple[_View, str]]:
        return {view.shown(path): (view, path) for view in self._views for path in view.tree.files if view.within(path)}
