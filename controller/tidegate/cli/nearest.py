"""Files that a command names without saying where: of the repository that one stands in, the nearest folder upwards that has it.

Neighbours: `simulate` and `backtest` take policies by their names through this.
"""

from __future__ import annotations

from pathlib import Path

from tidegate.spec.errors import NeedsPerson


def read(path: Path, fix: str) -> bytes:
    """A file's bytes. Raises NeedsPerson with `fix` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NeedsPerson(f"cannot be read: {error.strerror}", where=str(path), fix=fix) from error


def nearest(start: Path, name: str) -> Path:
    """The file `name` in the folder `start` or above it. Raises NeedsPerson when there is none."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / name).is_file():
            return folder / name
    raise NeedsPerson(
        f"there is no '{name}' here or in any folder above", fix="name a file of policies/, or write it out"
    )
