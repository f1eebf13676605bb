"""A work tree as the validator sees it: its root, and the files below it that Tidegate reads.

Neighbour: cli/validate.py. The controller never uses this: it reads commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tidegate.spec.errors import NeedsPerson
from tidegate.spec.layout import MAX_BYTES, wanted


def is_root(folder: Path) -> bool:
    """Whether this folder itself looks like the root of a configuration repository."""
    return (folder / "tidegate.yaml").is_file() or (folder / "models").is_dir()


def find_root(start: Path) -> Path:
    """The root that `start` lies in: the nearest folder with tidegate.yaml, else the nearest with .git.

    Raises NeedsPerson when there is neither.
    """
    folders = [start, *start.parents]
    for mark in ("tidegate.yaml", ".git"):
        for folder in folders:
            if (folder / mark).exists():
                return folder
    raise NeedsPerson(
        "is in no configuration repository: neither tidegate.yaml nor .git here or above",
        where=str(start),
        fix="go to the repository, name its folder, or make one with 'tidegate init'",
    )


def read_files(root: Path) -> dict[str, bytes]:
    """The files that Tidegate reads, by path relative to `root`; of one that is too large, just enough to tell.

    Raises NeedsPerson for a file that cannot be read, and when there is none at all.
    """
    files: dict[str, bytes] = {}
    for path in _candidates(root):
        name = path.relative_to(root).as_posix()
        if not wanted(name) or not path.is_file():
            continue
        try:
            with path.open("rb") as stream:
                files[name] = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise NeedsPerson(
                f"cannot be read: {error.strerror}", where=str(path), fix="look at its permissions"
            ) from error
    if not files:
        raise NeedsPerson(
            "holds nothing to validate: no tidegate.yaml, no models, no policies",
            where=str(root),
            fix="write a first model, or begin with 'tidegate init'",
        )
    return files


def _candidates(root: Path) -> Iterator[Path]:
    yield root / "tidegate.yaml"
    yield from sorted((root / "policies").glob("*.yaml"))
    for folder in sorted((root / "models").glob("*/")):
        yield folder / "model.yaml"
        yield folder / "deployment.yaml"
        for part in ("configs", "deployments", "versions"):
            yield from sorted((folder / part).glob("*.yaml"))
