"""What a change does to its base, path by path: changes, renames, models that go, and what reverts take back.

Neighbours: history.py asks, gitrepo/past.py has git answer. "Undone" is defined here and explained in docs/design/history.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.cli.check.tree import Entry, Tree
from tidegate.gitrepo import past
from tidegate.gitrepo.past import Step
from tidegate.gitrepo.tree import is_ancestor
from tidegate.rules.facts import Facts, facts_of
from tidegate.rules.history import Change
from tidegate.spec.declared import load
from tidegate.spec.layout import place, wanted

_NONE = "000000"
_MOST_PAIRS = 400
_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Former:
    """What changed version files held in the base's history (`former`, as in History), and the steps that say so."""

    former: Mapping[str, frozenset[str]]
    taken: Sequence[Step]


def changes_between(tree: Tree, before: Mapping[str, Entry]) -> tuple[Change, ...]:
    """Every path that Tidegate reads and that is not what it was, in order."""
    now = tree.entries
    changes = [Change(path, "D", entry.mode, _NONE) for path, entry in before.items() if path not in now]
    for path, entry in now.items():
        old = before.get(path)
        if old is None:
            changes.append(Change(path, "A", _NONE, entry.mode, entry.blob))
        elif old != entry:
            status: Literal["M", "T"] = "M" if old.mode[:2] == entry.mode[:2] else "T"
            changes.append(Change(path, status, old.mode, entry.mode, entry.blob))
    moved = _renames(tree, before, changes)
    return tuple(
        Change(change.path, "D", change.before, _NONE, renamed=moved[change.path]) if change.path in moved else change
        for change in sorted(changes, key=lambda change: change.path)
    )


def _renames(tree: Tree, before: Mapping[str, Entry], changes: Iterable[Change]) -> dict[str, str]:
    """Where the content of a deleted file stands now, by its old path: half of its lines at least, as git reckons."""
    lost = [change.path for change in changes if change.status == "D" and before[change.path].mode.startswith("100")]
    new = [change.path for change in changes if change.status == "A" and change.after.startswith("100")]
    if not lost or not new or len(lost) * len(new) > _MOST_PAIRS:
        return {}
    olds = tree.contents(before[path].blob for path in lost)
    lines = {path: Counter(text.splitlines()) for path, text in tree.read(new).items()}
    moved = {}
    for path in lost:
        text = Counter(olds[before[path].blob].splitlines())
        alike = {
            other: (text & found).total() / max(text.total(), found.total(), 1)
            for other, found in lines.items()
            if _kind(other) == _kind(path)
        }
        best = max(alike, key=lambda other: alike[other], default="")
        if best and alike[best] >= _ALIKE:
            moved[path] = best
    return moved


def _kind(path: str) -> str | None:
    found = place(path)
    return found.kind if found is not None else None


def former_of(tree: Tree, base: str, changes: Iterable[Change]) -> Former:
    """What the version files that change here have held, in the steps that the base's own branch took."""
    assert tree.git is not None
    paths = {tree.prefix + change.path: change.path for change in changes if _kind(change.path) == "ModelVersion"}
    taken = past.steps(tree.git, base, sorted(paths))
    former: dict[str, set[str]] = {}
    for step in taken:
        for whole, path in paths.items():
            if whole in step.paths:
                former.setdefault(path, set()).add(step.paths[whole][1])
    return Former({path: frozenset(found) for path, found in former.items()}, taken)


def undone_by_reverts(
    tree: Tree,
    base: str,
    heads: Sequence[str],
    reverting: str | None,
    changes: Iterable[Change],
    taken: Sequence[Step],
) -> frozenset[str]:
    """The version files that reverts of merged commits have set back, or taken away again.

    A commit counts as reverted when git says so (its message, a revert under way): then each path that is now as it
    was before that commit is undone. Without these words it counts when everything that it did to other files is
    undone too: a commit that only added a version, undone, looks like any deletion.
    """
    assert tree.git is not None
    paths = {
        tree.prefix + change.path: change
        for change in changes
        if change.status != "A" and _kind(change.path) == "ModelVersion"
    }
    if not paths:
        return frozenset()
    said = past.said_to_revert(tree.git, base, heads)
    if reverting is not None and is_ancestor(tree.git, reverting, base):
        said.append((reverting, None))
    undone = set()
    for commit, onto in said:
        made = past.step(tree.git, commit, onto).paths
        undone |= {path for path, change in paths.items() if path in made and made[path][0] == change.blob}
    for path, change in paths.items():
        if path not in undone and change.status == "D":
            added = next((step for step in taken if path in step.paths), None)
            if added is not None and added.paths[path][0] == "" and _wholly_undone(tree, added, path):
                undone.add(path)
    return frozenset(paths[path].path for path in undone)


def _wholly_undone(tree: Tree, step: Step, version: str) -> bool:
    """Whether all else that this commit did below the root is as it was before, and there was something else."""
    others = 0
    for whole, (old, _) in step.paths.items():
        path = whole.removeprefix(tree.prefix)
        if whole == version or not whole.startswith(tree.prefix) or not wanted(path):
            continue
        now = tree.entries.get(path)
        if (now.blob if now is not None else "") != old:
            return False
        others += _kind(path) != "ModelVersion"
    return others > 0


def gone_models(tree: Tree, before: Mapping[str, Entry]) -> dict[str, Facts]:
    """The models that the base knew and of which nothing is left to read, as they were."""
    left = {found.model for path in tree.entries if (found := place(path)) is not None}
    paths: dict[str, list[str]] = {}
    for path, entry in before.items():
        found = place(path)
        if found is not None and found.model is not None and found.model not in left and entry.mode.startswith("100"):
            paths.setdefault(found.model, []).append(path)
    if not paths:
        return {}
    texts = tree.contents(before[path].blob for names in paths.values() for path in names)
    files = {path: texts[before[path].blob] for names in paths.values() for path in names}
    return {name: facts_of(folder) for name, folder in load(files, environment=None).models.items()}
