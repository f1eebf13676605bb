"""The base that a change is compared with, asked of git: which commit it is, what it held, and what is new since.

Neighbours: tree.py says what is judged, past.py looks back, judge.py cuts this up by model and hands it to the rules.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tidegate.cli.check.tree import Entry, Tree
from tidegate.gitrepo import past
from tidegate.gitrepo.tree import first_of, resolve
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.layout import wanted

if TYPE_CHECKING:  # what `gather` needs is imported there: a run in which nothing changed ends before it
    from tidegate.rules.facts import Facts
    from tidegate.rules.history import Change

Recall: TypeAlias = Callable[[str, Callable[[], str]], str]
"""Gives the word that is remembered by that key, or asks for it and remembers it."""

EXACTLY = ".."
"""`REF..`, as git writes it: that commit itself is the base, not what this branch has in common with it."""


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
    ahead: Mapping[str, str] = field(default_factory=dict)
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


def base_commit(tree: Tree, reference: str | None, recall: Recall = lambda _, ask: ask()) -> Asked | None:
    """What to compare with; None when there is nothing to compare with. Asked on every run: cheap.

    `reference` is what the caller named. Without it, a pull request in GitHub Actions is compared with its target branch,
    and what a commit is about to hold (pre-commit) with the branch that the controller follows. The base is the merge base
    of the two: a branch that is behind is not told that it deletes what others added. `recall` saves reading tidegate.yaml
    where it has not changed. Raises NeedsPerson.
    """
    if tree.git is None:
        if reference is None:
            return None
        fix = "leave '--base' out, or validate a clone"
        raise NeedsPerson("is in no git repository: there is nothing to compare with", where=str(tree.root), fix=fix)
    if reference is None:
        implied = _implied(tree, recall)
        if implied is None:
            return None
        name, tip = implied
    else:
        name = reference
        tip = resolve(tree.git, name.removesuffix(EXACTLY)) if name else None
    heads, shallow = past.standing(tree.git)
    if tip is None:
        raise _missing(name, shallow)
    own = name.endswith(EXACTLY) or heads in ((), (tip,))
    commit = tip if own else past.merge_base(tree.git, tip, heads)
    if commit is None and shallow:
        raise NeedsPerson(f"the clone is too shallow to tell where this left '{name}'", where=name, fix=_DEEPER)
    # Nothing in common at all (another root): what the other side holds is what must stay.
    return Asked(commit or tip, tip, heads, past.reverting(tree.git), shallow)


def gather(tree: Tree, asked: Asked) -> Base:
    """What the base held, and what the tree does to it. Asked only when something must be judged again.

    `tree.entries` says what there is now: with the ids of the index, or of the files as they lie in the work tree.
    """
    from tidegate.cli.check.past import changes_between, former_of, gone_models, undone_by_reverts

    assert tree.git is not None
    before: dict[str, Entry] = {}
    for line in tree.git.run("ls-tree", "-r", "-z", "--full-tree", asked.commit).split(b"\0"):
        head, _, name = line.decode("utf-8", "surrogateescape").partition("\t")
        path = name.removeprefix(tree.prefix)
        if name.startswith(tree.prefix) and head and wanted(path):
            mode, _, blob = head.split()
            before[path] = Entry(mode, blob)
    changes = changes_between(tree, before)
    gained = past.gained(tree.git, asked.commit, asked.tip) if asked.tip != asked.commit else {}
    ahead = {path.removeprefix(tree.prefix): blob for path, blob in gained.items() if path.startswith(tree.prefix)}
    steps = former_of(tree, asked.commit, changes)
    return Base(
        asked.commit,
        {path: entry.blob for path, entry in before.items() if entry.mode.startswith("100")},
        changes,
        steps.former,
        asked.shallow,
        undone_by_reverts(tree, asked.commit, asked.heads, asked.reverting, changes, steps.taken),
        {path: blob for path, blob in ahead.items() if wanted(path)},
        gone_models(tree, before),
    )


_DEEPER = "git fetch --unshallow (in GitHub Actions: 'fetch-depth: 0' for actions/checkout)"


def _missing(name: str, shallow: bool) -> NeedsPerson:
    if not name.removesuffix(EXACTLY):
        return NeedsPerson("the base is empty", where="--base", fix="name a branch, tag or commit, such as origin/main")
    if shallow or name == _pull_request():
        return NeedsPerson("the base is not in this clone, which holds a part of history only", where=name, fix=_DEEPER)
    fix = "fetch it, or name a branch, tag or commit that is here"
    return NeedsPerson("there is no such commit", where=name, fix=fix)


def _implied(tree: Tree, recall: Recall) -> tuple[str, str | None] | None:
    """What to compare with when nobody said so, and its commit; None where nothing is being proposed."""
    assert tree.git is not None
    target = _pull_request()
    if target is not None and _checked_out(tree):
        return target, resolve(tree.git, target)
    if not tree.staged:
        return None
    names = [f"refs/remotes/origin/{branch}" for branch in (_followed(tree, recall), "HEAD") if branch]
    return first_of(tree.git, (*names, "HEAD"))


def _pull_request() -> str | None:
    """The branch that a pull request in GitHub Actions goes to; None outside of one."""
    target = os.environ.get("GITHUB_BASE_REF") if os.environ.get("GITHUB_ACTIONS") == "true" else None
    return f"refs/remotes/origin/{target}" if target else None


def _checked_out(tree: Tree) -> bool:
    """Whether this is the repository that the workflow runs for: not a submodule of it, nor a clone somewhere else."""
    assert tree.git is not None
    workspace = os.environ.get("GITHUB_WORKSPACE", "")
    if not workspace or not tree.root.is_relative_to(Path(workspace).resolve()):
        return False
    return not tree.git.ask("-C", str(tree.root), "rev-parse", "--show-superproject-working-tree").out.strip()


def _followed(tree: Tree, recall: Recall) -> str:
    """The branch that the controller follows, as tidegate.yaml says; '' when it does not."""
    path = "tidegate.yaml"
    entry = tree.files.get(path)
    return recall(entry.blob, lambda: _branch(tree.read([path]).get(path, b""), path)) if entry is not None else ""


def _branch(text: bytes, path: str) -> str:
    from tidegate.spec.controller import Controller
    from tidegate.spec.declared import load_document

    document, _ = load_document(Controller, text, path)
    return document.value.branch if document is not None else ""
