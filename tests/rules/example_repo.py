"""The example repository that ships with the rules, and edits of it."""

from __future__ import annotations

from pathlib import Path

import tidegate.rules
from tidegate.rules.rule import Example

EXAMPLE = Path(tidegate.rules.__file__).parent / "example"


def example() -> dict[str, bytes]:
    """Its files by path."""
    return {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in EXAMPLE.rglob("*.yaml")}


def edited(edit: Example) -> dict[str, bytes]:
    """Its files after one edit, which must change something."""
    files = example()
    before = files.get(edit.path, b"").decode()
    assert edit.old in before
    after = before.replace(edit.old, edit.new) if edit.old else edit.new
    assert after != before
    return files | {edit.path: after.encode("utf-8", "surrogateescape")}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Put files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return folder
