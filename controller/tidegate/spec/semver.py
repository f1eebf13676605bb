"""Versions by semver.org 2.0.0: reading them, and their order. Pure, and light: the validator reads thousands.

Neighbours: rules/checks/ judge by it. Why not a library: docs/design/history.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRE = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER: Final = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PRE}(?:\.{_PRE})*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)
_MOST = 100

Word: TypeAlias = tuple[int, int, str]
"""A dot-separated identifier in its order: numbers by value before texts by their ASCII."""


@dataclass(frozen=True, slots=True)
class Version:
    """`core`: major, minor, patch. `pre`: what follows the hyphen. `build`: what follows the plus, the data's name."""

    core: tuple[int, int, int]
    pre: tuple[Word, ...]
    build: tuple[Word, ...]

    @property
    def precedence(self) -> tuple[tuple[int, int, int], bool, tuple[Word, ...]]:
        """Semver's own order, section 11: a pre-release comes before its release, and build metadata does not count."""
        return self.core, not self.pre, self.pre

    @property
    def order(self) -> tuple[tuple[tuple[int, int, int], bool, tuple[Word, ...]], tuple[Word, ...]]:
        """A total order: by precedence, then by the data's name as pre-releases are compared; none comes first."""
        return self.precedence, self.build


def read(text: str) -> Version | None:
    """The version that a text is, None when it is none. Longer than 100 characters is none: it names files."""
    match = _SEMVER.fullmatch(text) if len(text) <= _MOST else None
    if match is None:
        return None
    major, minor, patch, pre, build = match.groups()
    return Version((int(major), int(minor), int(patch)), _words(pre), _words(build))


def _words(text: str | None) -> tuple[Word, ...]:
    words = text.split(".") if text else ()
    return tuple((0, int(word), "") if word.isdigit() else (1, 0, word) for word in words)
