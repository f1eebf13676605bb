"""The rest of the repository for the rules that ask for it (CODEOWNERS, artifacts in git), noting what they were told.

Neighbours: rules/context.py says what may be asked, judge.py keeps the answers beside the findings that came of them.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from tidegate.cli.check.tree import Tree

_LARGEST_TEXT: Final = 1024 * 1024
_LARGEST_POINTER: Final = 1024
_POINTER: Final = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[^\n]*\n)*?oid sha256:(?P<oid>[0-9a-f]{64})\nsize (?P<size>[0-9]+)\n"
)
"""What Git LFS leaves in the place of a file that it has not fetched: it counts as that file."""
_SETTLED: Final = 2 * 10**9
"""Nanoseconds. A file that changed less than that ago may change again and keep its time stamp."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question about a path, and what the answer was while the path looked like `sight`."""

    question: str
    path: str
    sight: str
    answer: str | int | bytes | None


class TreeSurroundings:
    """Answers from the work tree; in pre-commit only about what git knows of. `known`: answers of earlier runs."""

    def __init__(self, tree: Tree, known: Iterable[Answer] = ()) -> None:
        self._tree = tree
        self._known = {(one.question, one.path): one for one in known}
        self._told: dict[tuple[str, str], Answer] = {}
        self._sights: dict[str, str] = {}

    def sha256(self, path: str) -> str | None:
        """The digest of a file, in lower-case hex; None when there is no such file."""
        found = self._ask("sha256", path)
        return found if isinstance(found, str) else None

    def size(self, path: str) -> int | None:
        """The bytes of a file; None when there is no such file."""
        found = self._ask("size", path)
        return found if isinstance(found, int) else None

    def text(self, path: str) -> bytes | None:
        """A small file's content; None when there is none, or it is larger than a mebibyte."""
        found = self._ask("text", path)
        return found if isinstance(found, bytes) else None

    def told(self) -> tuple[Answer, ...]:
        """Everything that was asked since the last time, and the answers."""
        answers = tuple(self._told.values())
        self._told = {}
        return answers

    def still(self, answers: Iterable[Answer]) -> bool:
        """Whether all of these would be answered the same today."""
        return all(one.sight and one.sight == self._sight(one.path) for one in answers)

    def _ask(self, question: str, path: str) -> str | int | bytes | None:
        key = (question, path)
        if key not in self._told:
            sight = self._sight(path)
            earlier = self._known.get(key)
            if earlier is None or not sight or earlier.sight != sight:
                earlier = Answer(question, path, sight, self._answer(question, path))
                self._known[key] = earlier
            self._told[key] = earlier
        return self._told[key].answer

    def _answer(self, question: str, path: str) -> str | int | bytes | None:
        whole = self._whole(path)
        if whole is None:
            return None
        try:
            size = whole.stat().st_size
            if question == "text":
                return whole.read_bytes() if size <= _LARGEST_TEXT else None
            pointer = _POINTER.match(whole.read_bytes()) if size <= _LARGEST_POINTER else None
            if question == "size":
                return int(pointer["size"]) if pointer is not None else size
            if pointer is not None:
                return pointer["oid"].decode()
            with whole.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return None

    def _sight(self, path: str) -> str:
        """How the file looks from outside: '' when that cannot tell whether its content is still the same."""
        if path not in self._sights:
            self._sights[path] = self._look(path)
        return self._sights[path]

    def _look(self, path: str) -> str:
        whole = self._whole(path)
        if whole is None:
            return "none"
        try:
            found = whole.stat()
        except OSError:
            return "none"
        newest = max(found.st_mtime_ns, found.st_ctime_ns)
        if time.time_ns() - newest < _SETTLED:
            return ""
        return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"

    def _whole(self, path: str) -> Path | None:
        """The file, when there is one at that path below the root, and git knows of it where only that counts."""
        if not path or os.path.isabs(path) or ".." in path.split("/") or "\0" in path:  # noqa: PTH117 a string
            return None
        if self._tree.staged and self._tree.prefix + path not in self._staged:
            return None
        whole = self._tree.root / path
        try:
            return whole if stat.S_ISREG(whole.stat().st_mode) else None
        except OSError:
            return None

    @cached_property
    def _staged(self) -> Mapping[str, None]:
        assert self._tree.git is not None
        index = self._tree.environment.get("GIT_INDEX_FILE")
        out = self._tree.git.run("ls-files", "-z", environment={"GIT_INDEX_FILE": index} if index else {})
        return dict.fromkeys(out.decode("utf-8", "surrogateescape").split("\0"))
