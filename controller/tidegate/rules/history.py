"""What was merged before, and what this change does to it: given to the history rules, read by nobody here.

Neighbours: cli/check/history.py has git say it (never by file names that a hook hands over), context.py hands it to the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tidegate.rules.facts import Facts
from tidegate.spec.declared import Declared


@dataclass(frozen=True, slots=True)
class Change:
    """One path, relative to the root. `status`: added, modified, deleted, or its type (file, link, submodule) changed.

    `before` and `after` are git's modes, `000000` where there is none. A rename is a delete and an add; then `renamed` of
    what was deleted is the path where most of its content stands now. `blob`: git's id of what there is now, or ''.
    """

    path: str
    status: Literal["A", "M", "D", "T"]
    before: str = "100644"
    after: str = "100644"
    blob: str = ""
    renamed: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """The base that a change is compared with. `files` and `declared`: what Tidegate reads of it. `commit`: its id.

    `former`: by path, the blob ids that this path has had in the base's history, '' for a time without it after it had
    been there; only of the version files that this change touches, and only as deep as the clone goes (`shallow`).

    `undone`: paths that a revert of merged commits has set back to what they were before these commits. `ahead`: paths
    that the base's branch has gained since, with their blobs' ids. `gone`: the models whose folders this change takes
    away, as they were.
    """

    commit: str
    files: Mapping[str, bytes]
    declared: Declared
    changes: tuple[Change, ...] = ()
    former: Mapping[str, frozenset[str]] = field(default_factory=dict)
    shallow: bool = False
    undone: frozenset[str] = frozenset()
    ahead: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, Facts] = field(default_factory=dict)

    def new(self, change: Change) -> bool:
        """Whether a change adds what was never merged: no content that comes back, none that was merged meanwhile."""
        known = self.ahead.get(change.path) == change.blob != ""
        return change.status == "A" and not known and not self.restores(change)

    def restores(self, change: Change) -> bool:
        """Whether a change brings back what its path held on the base's branch, or before commits that it reverts."""
        return change.path in self.undone or (change.blob != "" and change.blob in self.former.get(change.path, ()))
