"""Which commit asked last for what a route asks for: by the route's own fields, not by the files that hold them.

A deployment file serves several routes, and holds, approvals and replicas besides: an edit of those asks for nothing anew.
Neighbours: tree.py reads; deployment.py knows the fields; mirror.py owns one, `tidegate plan` another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from tidegate.gitrepo import tree
from tidegate.gitrepo.deployment import request
from tidegate.gitrepo.git import Git
from tidegate.gitrepo.walk import walk
from tidegate.spec.errors import NeedsPerson

DEEPEST = 1000
"""Edits of a deployment that are looked through for the one that asked."""
KEPT = 10_000


Question: TypeAlias = tuple[str, str | None, tuple[str, ...]]
"""What a route asks by: the path of its deployment, the feature (None: the model), and the files whose every change counts
(the version's, the config's)."""
MANY: Final = 64
"""Questions from which on reading the whole history once costs less than asking git about each."""


class Touches:
    """Answers for one repository; remembers what single commits changed, since many routes ask about the same ones."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._changed: dict[str, frozenset[str]] = {}

    def newest_of_all(self, commit: str, questions: Sequence[Question]) -> list[str]:
        """`newest` of each, in order; a whole portfolio's questions are answered by one walk through the history."""
        if len(questions) < MANY:
            return [self.newest(commit, *question) for question in questions]
        past = walk(self._git, commit)
        answers = past.newest([frozenset((deployment, *others)) for deployment, _, others in questions])
        changed = {first: past.changed(first) for first in set(answers)}
        unclear = {
            index: past.parents[first][0]
            for index, first in enumerate(answers)
            if past.parents[first] and changed[first].isdisjoint(questions[index][2])
        }
        wanted = {(at, questions[index][0]) for index, before in unclear.items() for at in (answers[index], before)}
        texts = tree.blobs_at(self._git, wanted)
        for index, before in unclear.items():
            deployment, feature, _ = questions[index]
            now, then = (_asked(texts.get((at, deployment)), feature) for at in (answers[index], before))
            if now == then:
                answers[index] = self.newest(before, *questions[index])
        return answers

    def newest(self, commit: str, deployment: str, feature: str | None, others: tuple[str, ...]) -> str:
        """The newest commit, `commit` or before it, that changed what a route asks for. Raises NeedsPerson, RetryLater.

        `deployment`: the path of the file; `feature`: one of its features, None for the model. `others`: files whose
        every change counts (the version's, the config's).
        """
        at = commit
        for _ in range(DEEPEST):
            found = tree.touched(self._git, at, (deployment, *others))
            before = tree.resolve(self._git, f"{found}^")
            if before is None or not self._changes(found).isdisjoint(others):
                return found
            texts = tree.blobs_at(self._git, {(found, deployment), (before, deployment)})
            now, then = (_asked(texts.get((one, deployment)), feature) for one in (found, before))
            if now != then:
                return found
            at = before
        return at

    def _changes(self, commit: str) -> frozenset[str]:
        found = self._changed.get(commit)
        if found is None:
            if len(self._changed) >= KEPT:
                self._changed.clear()
            found = self._changed[commit] = tree.changed_by(self._git, commit)
        return found


def _asked(content: bytes | None, feature: str | None) -> object:
    """What a deployment asks for one route; None without one, and where it is no YAML: then it asked for nothing."""
    if content is None:
        return None
    try:
        return request(content.decode("utf-8", "replace"), feature)
    except NeedsPerson:
        return None
