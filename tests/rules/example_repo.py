"""The example repository that ships with the rules, edits of it, and what all rules say about them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

import tidegate.rules
from tidegate.rules.context import Context
from tidegate.rules.engine import run
from tidegate.rules.finding import Finding
from tidegate.rules.history import Change, History
from tidegate.rules.rule import Example
from tidegate.spec.declared import Declared, load
from tidegate.spec.layout import looks_declared, wanted

EXAMPLE = Path(tidegate.rules.__file__).parent / "example"
TODAY = date(2026, 11, 21)
"""The day on which all examples are judged."""


@dataclass(frozen=True)
class Around:
    """The example repository as its own surroundings: every file of it, in memory."""

    files: Mapping[str, bytes]

    def sha256(self, path: str) -> str | None:
        text = self.files.get(path)
        return hashlib.sha256(text).hexdigest() if text is not None else None

    def size(self, path: str) -> int | None:
        return len(self.files[path]) if path in self.files else None

    def text(self, path: str) -> bytes | None:
        return self.files.get(path)


def example() -> dict[str, bytes]:
    """Its files by path, also those that Tidegate does not read."""
    return dict(_shipped())


@cache
def _shipped() -> Mapping[str, bytes]:
    return {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in EXAMPLE.rglob("*") if path.is_file()}


@cache
def _declared() -> Declared:
    """What it declares as it ships: the base of most comparisons."""
    return load({path: text for path, text in _shipped().items() if wanted(path)}, None)


def edited(edit: Example) -> dict[str, bytes]:
    """Its files after one edit, which must change something."""
    files = example()
    if edit.deleted:
        text = files.pop(edit.path)
        return files | {edit.new: text} if edit.new else files
    before = files.get(edit.path, b"").decode()
    assert edit.old in before
    after = before.replace(edit.old, edit.new) if edit.old else edit.new
    assert after != before
    return files | {edit.path: after.encode("utf-8", "surrogateescape")}


def mended(edit: Example) -> dict[str, bytes]:
    """Its files when what was found in a bad example has been mended as the fix says."""
    if edit.mended is None or edit.mended == edit.old:
        return example()
    return edited(replace(edit, new=edit.mended, path=edit.mended_path or edit.path))


def judge(
    files: Mapping[str, bytes],
    *,
    history: bool = True,
    base: Mapping[str, bytes] | None = None,
    today: date | None = TODAY,
) -> list[Finding]:
    """What all rules find. With `history`, `base` is compared with, or else the example repository as it ships."""
    read = {path: text for path, text in files.items() if wanted(path)}
    since = None
    if history:
        before = {path: text for path, text in (base or example()).items() if wanted(path)}
        since = History("0" * 40, before, load(before, None) if base else _declared(), _changes(before, read))
    around, unread = Around(files), tuple(path for path in files if looks_declared(path) and path not in read)
    return run(Context(load(read, None), read, since, today=today, surroundings=around, unread=unread))


def excerpt(files: Mapping[str, bytes], finding: Finding) -> str:
    """What stands in the file from the finding's line and column on; '' for the whole file (1:1)."""
    if (finding.line, finding.column) == (1, 1):
        return ""
    text = files[finding.path].decode("utf-8-sig", "surrogateescape").split("\n", finding.line - 1)
    assert len(text) == finding.line, f"{finding.path} has no line {finding.line}"
    return text[-1][finding.column - 1 :]


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Put files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return folder


def _changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[Change, ...]:
    changes = [Change(path, "D", after="000000") for path in before if path not in after]
    changes += [Change(path, "A", before="000000") for path in after if path not in before]
    changes += [Change(path, "M") for path in after if path in before and before[path] != after[path]]
    return tuple(sorted(changes, key=lambda change: change.path))
