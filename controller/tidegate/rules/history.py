"""What was merged before, and what this change does to it: given to the history rules, read by nobody here.

Neighbours: cli/validate.py has git say it (`--no-renames -z`), context.py hands it to the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tidegate.spec.declared import Declared


@dataclass(frozen=True, slots=True)
class Change:
    """One path, relative to the root. `status`: added, modified, deleted, or its type (file, link, submodule) changed.

    `before` and `after` are git's modes, `000000` where there is none. A rename is a delete and an add.
    """

    path: str
    status: Literal["A", "M", "D", "T"]
    before: str = "100644"
    after: str = "100644"


@dataclass(frozen=True, slots=True)
class History:
    """The base that a change is compared with. `files` and `declared`: what Tidegate reads of it. `commit`: its id.

    `former`: by path, the blob ids that this path has had in the base's history, '' for a time without it after it had
    been there; only of the paths that this change touches, and only as deep as the clone goes (`shallow`).
    """

    commit: str
    files: Mapping[str, bytes]
    declared: Declared
    changes: tuple[Change, ...] = ()
    former: Mapping[str, frozenset[str]] = field(default_factory=dict)
    shallow: bool = False
