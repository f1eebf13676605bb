"""The whole history of a commit in memory: parents, and what each commit changed. For questions about many paths at once.

Neighbours: tree.py asks about single paths and commits; touch.py asks this about a portfolio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.gitrepo import tree
from tidegate.gitrepo.git import Git


@dataclass(frozen=True, slots=True)
class Walk:
    """`parents` by commit, in the order of git's topological walk: children before parents. `changes`: by (commit, parent)
    the paths that differ between the two; a commit without parents differs from nothing in all its paths ('' as parent)."""

    parents: dict[str, tuple[str, ...]]
    changes: dict[tuple[str, str], frozenset[str]]

    def changed(self, commit: str) -> frozenset[str]:
        """Every path in which a commit differs from one of its parents."""
        return frozenset().union(*(self.changes[commit, parent] for parent in self.parents[commit] or ("",)))

    def newest(self, groups: Sequence[frozenset[str]]) -> list[str]:
        """For each group of paths the newest commit that changed any of them, as `git rev-list -1 HEAD -- paths` says it:

        on the way back, a merge that has all of them from one parent leads to that parent. HEAD where none ever changed.
        """
        head = next(iter(self.parents))
        answer = [head] * len(groups)
        by_path: dict[str, list[int]] = {}
        for index, group in enumerate(groups):
            for path in group:
                by_path.setdefault(path, []).append(index)
        here: dict[str, set[int]] = {head: set(range(len(groups)))}
        for commit, parents in self.parents.items():
            left = here.pop(commit, None)
            if not left:
                continue
            for parent in parents:
                touched = {index for path in self.changes[commit, parent] for index in by_path.get(path, ())} & left
                same = left if not touched else left - touched
                if parent in here:
                    here[parent] |= same
                elif same:
                    here[parent] = same
                left = touched
                if not left:
                    break
            else:
                whole = self.changes.get((commit, ""))
                found = left if whole is None else {i for path in whole for i in by_path.get(path, ())} & left
                for index in found:
                    answer[index] = commit
        return answer


def walk(git: Git, commit: str) -> Walk:
    """Read the history of `commit` by two commands. Raises NeedsPerson for an unknown commit, DamagedRepository."""
    out = git.run("rev-list", "--topo-order", "--parents", commit).decode()
    lines = [line.split() for line in out.splitlines()]
    pairs = [(words[0], parent) for words in lines for parent in words[1:] or [""]]
    options = ("-r", "-z", "--root", "--always", "--no-renames", "--name-only")
    asked = "".join(f"{one} {parent}".rstrip() + "\n" for one, parent in pairs)
    said = tree.split(git.run("diff-tree", "--stdin", *options, stdin=asked.encode()))
    changes: dict[tuple[str, str], frozenset[str]] = {}
    paths: list[str] = []
    number = -1
    for word in said:
        if number + 1 < len(pairs) and word == pairs[number + 1][0]:
            if number >= 0:
                changes[pairs[number]] = frozenset(paths)
            number, paths = number + 1, []
        else:
            paths.append(word)
    if number >= 0:
        changes[pairs[number]] = frozenset(paths)
    return Walk({words[0]: tuple(words[1:]) for words in lines}, changes)
