"""`tidegate validate` as a hook calls it, read without the command line's library, which takes longer than the judging.

Neighbours: main.py asks here first, validate.py has all options. What is not plainly known here is left to that: a test
compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.cli.validation import Wanted


def read(words: Sequence[str]) -> Wanted | None:
    """The options of `tidegate validate WORDS`; None when somebody else has to read, or to refuse, them.

    Known here: paths, `--base REF`, `--cache` and `--no-cache`.
    """
    from pathlib import Path

    paths: list[str] = []
    base: str | None = None
    cache = True
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--base" and rest and not rest[0].startswith("-"):
            base = rest.pop(0)
        elif word.startswith("--base="):
            base = word.removeprefix("--base=")
        elif word in ("--cache", "--no-cache"):
            cache = word == "--cache"
        elif word and not word.startswith("-"):
            paths.append(word)
        else:
            return None
    from tidegate.cli.validation import Wanted

    return Wanted(paths=tuple(map(Path, paths)), base=base, cache=cache)
