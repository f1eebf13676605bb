"""Who answers for a path: the roles of governance.yaml, and what a forge's CODEOWNERS says.

Neighbours: checks/governance/ compares the two. Patterns are those of gitignore and CODEOWNERS: `*` stays in a folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

PLACES: Final = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""Where a forge looks for the file; the first one counts."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of CODEOWNERS, counted from 1: a pattern and its owners, none to take a path out."""

    number: int
    pattern: str
    owners: tuple[str, ...]


def matches(pattern: str, path: str) -> bool:
    """Whether a path relative to the root lies under a pattern; a folder takes in everything below it."""
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    anchored = "/" in pattern.rstrip("/")
    body = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]/]+\]|\\.|.", pattern.strip("/")):
        match part:
            case "**/":
                body += "(?:.*/)?"
            case "**":
                body += ".*"
            case "*":
                body += "[^/]*"
            case "?":
                body += "[^/]"
            case _ if part.startswith("[") and len(part) > 1:
                inner = re.sub(r"([\\\[&|~])", r"\\\1", part[1:-1])
                body += f"[^/{inner[1:]}]" if inner[0] in "!^" and inner[1:] else f"[{inner}]"
            case _:
                body += re.escape(part.removeprefix("\\") or part)
    below = "/.*" if pattern.endswith("/") else "" if pattern.endswith("/*") else "(?:/.*)?"
    try:
        return re.compile(f"{'' if anchored else '(?:.*/)?'}{body}{below}")
    except re.error:  # a bracket that holds no set of letters is a pattern that matches nothing
        return re.compile(r"(?!)")


def read_codeowners(text: str) -> list[Line]:
    """The lines of a CODEOWNERS file; a section's own owners (GitLab) count for lines that name none."""
    found: list[Line] = []
    default: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.split(" #")[0].strip()
        if not bare or bare.startswith("#"):
            continue
        section = re.fullmatch(r"\^?\[[^\]]*\](?:\[[0-9]+\])?\s*(.*)", bare)
        if section is not None:
            default = tuple(section[1].split())
            continue
        words = re.split(r"(?<!\\)\s+", bare)
        found.append(Line(number, words[0].replace("\\ ", " "), tuple(words[1:]) or default))
    return found


def owning(lines: Sequence[Line], path: str) -> Line | None:
    """The line that counts for a path: the last one that matches."""
    return next((line for line in reversed(lines) if matches(line.pattern, path)), None)


def is_owner(name: str, owners: Iterable[str]) -> bool:
    """Whether an owner of a role is among those of a line: `vision-platform` is `@example/vision-platform`."""
    return any(_same(name, owner) for owner in owners)


def _same(name: str, owner: str) -> bool:
    one, other = name.lower().lstrip("@"), owner.lower().lstrip("@")
    return one == other or ("/" not in one and one == other.rpartition("/")[2])
