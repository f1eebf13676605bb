"""What stands in a folder in which others write meanwhile: git makes and removes folders there while it pushes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def below(folder: Path) -> Iterator[Path]:
    """All files and folders below a folder; one that goes while it is looked at is left out."""

    def unread(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for path, folders, files in os.walk(folder, onerror=unread):
        yield from (Path(path) / name for name in (*folders, *files))


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All regular files below a folder, by their path in it, with what they hold; those that go meanwhile are left out."""
    for path in below(folder):
        try:
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes()
        except FileNotFoundError:
            continue
