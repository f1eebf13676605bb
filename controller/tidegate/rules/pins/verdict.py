"""What judging a reference gives, and what a kind of reference is. Neighbours: kinds.py lists them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Level = Literal["digest", "contract"]
"""By what a reference is fixed: the digest of the content itself, or an id that its keeper promises never to move."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The judgement of one reference. `why`: the reason, either way. `fix`: what to write instead; '' when pinned.

    `level` is None when it floats. `warning`: pinned, and still worth a look (the digest of an empty file, say).
    """

    ref: str
    kind: str
    pinned: bool
    level: Level | None
    why: str
    fix: str
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """A kind's own judgement: pinned, and by what."""

    level: Level
    why: str
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Floats:
    """A kind's own judgement: it may change without a commit. `fix`: '' for what the kind always advises."""

    why: str
    fix: str = ""


Outcome: TypeAlias = Fixed | Floats


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of reference. `shape`: what a pinned one looks like. `fix`: how to come to one. `judge` never raises."""

    name: str
    title: str
    shape: str
    fix: str
    judge: Callable[[str], Outcome]
