"""The base that a change is compared with, asked of git: which commit it is, and what it held.

Neighbours: tree.py says what is judged, judge.py cuts this up by model and hands it to the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.cli.check.tree import Tree
from tidegate.gitrepo.tree import resolve
from tidegate.rules.facts import Facts
from tidegate.rules.history import Change
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.layout import wanted


@dataclass(frozen=True, slots=True)
class Base:
    """One base commit, below the tree's root, before anything of it is read.

    `blobs`: by path, the blob id of every regular file that Tidegate reads. The rest is as in rules.history.History:
    judge.py makes that of it for each model, with the contents that are wanted (`Tree.contents`).
    """

    commit: str
    blobs: Mapping[str, str]
    changes: tuple[Change, ...] = ()
    former: Mapping[str, frozenset[str]] = field(default_factory=dict)
    shallow: bool = False
    undone: frozenset[str] = frozenset()
    ahead: frozenset[str] = frozenset()
    gone: Mapping[str, Facts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is compared with what, as git says now: all that `gather` depends on besides the tree.

    `commit`: the base itself, mostly a merge base. `tip`: where its branch stands by now. `heads`: HEAD, and what is being
    merged into it. `reverting`: the commit that a `git revert` under way undoes. `shallow`: history is cut off somewhere.
    """

    commit: str
    tip: str
    heads: tuple[str, ...] = ()
    reverting: str | None = None
    shallow: bool = False

    @property
    def key(self) -> str:
        """One word for all of it: two runs with the same key and the same tree are told the same."""
        return " ".join((self.commit, self.tip, *self.heads, self.reverting or "", str(self.shallow)))


def base_commit(tree: Tree, reference: str | None) -> Asked | None:
    """What to compare with; None when there is nothing to compare with. Asked on every run: cheap.

    What `gather` says depends on this (`Asked.key`) and on the tree, and on nothing else.
    """
    if reference is None:
        return None
    if tree.git is None:
        raise NeedsPerson("is in no git repository", where=str(tree.root), fix="leave '--base' out")
    commit = resolve(tree.git, reference)
    if commit is None:
        fix = "fetch it, or name a branch, tag or commit that is here"
        raise NeedsPerson("there is no such commit", where=reference, fix=fix)
    return Asked(commit, commit)


def gather(tree: Tree, asked: Asked) -> Base:
    """What the base held, and what the tree does to it. Asked only when something must be judged again.

    `tree.entries` says what there is now: with the ids of the index, or of the files as they lie in the work tree.
    """
    assert tree.git is not None
    blobs: dict[str, str] = {}
    for line in tree.git.run("ls-tree", "-r", "-z", "--full-tree", asked.commit).split(b"\0"):
        head, _, name = line.decode("utf-8", "surrogateescape").partition("\t")
        path = name.removeprefix(tree.prefix)
        if name.startswith(tree.prefix) and head.startswith("100") and wanted(path):
            blobs[path] = head.split()[2]
    return Base(asked.commit, blobs)
