"""The artifact cache: what lies here was checked against its sha256, is whole, and can be mounted as it is.

`<cache>/sha256/<ab>/<digest>/<file name>`, read-only. Neighbours: sources.py brings the bytes, lock.py lets two
controllers share the work, the runtime mounts the files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.artifacts.lock import BusyError, locked
from tidegate.artifacts.sources import Intake, Read, file_name, local_fault, pour
from tidegate.spec.errors import NeedsPerson

STAMP = ".verified"


@dataclass(frozen=True, slots=True)
class Removed:
    """An artifact that was taken out of the cache. `size` in bytes."""

    sha256: str
    size: int


class Store:
    """A content-addressed cache of verified artifacts. Safe under several threads and several controllers.

    `stores` are options for fsspec by protocol; relative `file:` paths lie below `base` where no `read` is given.
    """

    def __init__(self, cache: Path, stores: Mapping[str, Mapping[str, Any]], base: Path) -> None:
        self._cache = cache.absolute()
        self._stores = stores
        self._base = base.absolute()

    def fetch(self, uri: str, sha256: str, *, size: int | None = None, read: Read | None = None) -> Path:
        """The verified, read-only file of this digest, named as in the uri; fetched unless it is here.

        `size` in bytes, where declared. `read` gives the bytes of a relative `file:` path, say at a commit; it raises
        FileNotFoundError when there is none. Raises NeedsPerson (wrong digest or size, no such file, full disk) or
        RetryLater (server out of reach); nothing half-written stays either way.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise NeedsPerson(
                f"'{sha256}' is no sha256", where=uri, fix="write the 64 hex digits that sha256sum prints"
            )
        path = self._folder(sha256) / file_name(uri)
        if _stamped(path):
            return path
        what, fix = (
            f"the artifact cache {self._cache}",
            "correct `artifacts.cache` in tidegate.yaml: it has to be a folder",
        )
        try:
            for folder in (self._locks, self._partial):
                folder.mkdir(parents=True, exist_ok=True)
            with locked(self._locks / sha256):
                if _stamped(path) or self._verified(path, sha256):
                    return path
                self._bring(uri, sha256, size, read, path)
        except OSError as error:
            raise local_fault(error, uri, what, fix) from error
        return path

    def cached(self, uri: str, sha256: str) -> Path | None:
        """The file, when it is here and unchanged since it was verified: the artifact is warm."""
        path = self._folder(sha256) / file_name(uri)
        return path if _stamped(path) else None

    def recheck(self) -> list[str]:
        """Hash every cached file again; the digests of those that no longer hold. They are fetched anew at next use."""
        bad = []
        for folder in self._folders():
            with contextlib.suppress(BusyError), locked(self._locks / folder.name, wait=False):
                right = [self._verified(path, folder.name) for path in _files(folder)]
                if not all(right):
                    bad.append(folder.name)
        return bad

    def mark(self, digests: Collection[str]) -> None:
        """Somebody needs these now: `collect` with `unused_for` counts from here."""
        for folder in self._folders():
            if folder.name in digests:
                with contextlib.suppress(FileNotFoundError):
                    os.utime(folder)

    def collect(self, keep: Collection[str], *, unused_for: float = 0.0) -> list[Removed]:
        """Remove every artifact whose digest is not in `keep`, and what a crash left half-fetched.

        `unused_for`: only what was neither fetched nor marked in the last so many seconds. One that is being fetched at
        this moment stays. A container with a removed file mounted keeps it until it ends.
        """
        removed = []
        for folder in self._unused(keep, unused_for):
            with contextlib.suppress(BusyError), locked(self._locks / folder.name, wait=False, remove=True):
                size = _size(folder)
                (folder / STAMP).unlink(missing_ok=True)
                shutil.rmtree(folder)
                removed.append(Removed(folder.name, size))
        for path in self._partial.glob("*"):
            with contextlib.suppress(BusyError), locked(self._locks / path.name.partition(".")[0], wait=False):
                path.unlink(missing_ok=True)
        return removed

    def unused(self, keep: Collection[str], *, unused_for: float = 0.0) -> list[Removed]:
        """What `collect` would remove just now."""
        return [Removed(folder.name, _size(folder)) for folder in self._unused(keep, unused_for)]

    def _unused(self, keep: Collection[str], unused_for: float) -> list[Path]:
        return [one for one in self._folders() if one.name not in keep and not _lately(one, unused_for)]

    @property
    def _locks(self) -> Path:
        return self._cache / "locks"

    @property
    def _partial(self) -> Path:
        return self._cache / "partial"

    def _folder(self, sha256: str) -> Path:
        return self._cache / "sha256" / sha256[:2] / sha256

    def _folders(self) -> Iterator[Path]:
        self._locks.mkdir(parents=True, exist_ok=True)
        yield from sorted((self._cache / "sha256").glob("*/*"))

    def _verified(self, path: Path, sha256: str) -> bool:
        """Hash a file that has no valid stamp: stamp it when it is right, remove it when it is not."""
        try:
            with path.open("rb") as file:
                right = hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False
        if right:
            _stamp(path)
        else:
            path.unlink()
        return right

    def _bring(self, uri: str, sha256: str, size: int | None, read: Read | None, path: Path) -> None:
        for leftover in self._partial.glob(f"{sha256}.*"):
            leftover.unlink()
        if size is not None and shutil.disk_usage(self._partial).free < size:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise local_fault(full, uri, f"the artifact cache {self._cache} ({size} bytes needed)")
        descriptor, name = tempfile.mkstemp(prefix=f"{sha256}.", dir=self._partial)
        try:
            intake = Intake(descriptor, uri, size)
            pour(uri, intake, self._base, self._stores, read)
            _check(intake, uri, sha256, size)
            os.fchmod(descriptor, 0o444)  # the server inside a container is another user
            os.fsync(descriptor)
            path.parent.mkdir(parents=True, exist_ok=True)
            Path(name).replace(path)
            _sync_folder(path.parent)
            _stamp(path)
        finally:
            os.close(descriptor)
            Path(name).unlink(missing_ok=True)


def _check(intake: Intake, uri: str, sha256: str, size: int | None) -> None:
    if size is not None and intake.taken < size:
        raise NeedsPerson(
            f"the file is truncated: {intake.taken} of {size} bytes", where=uri, fix="upload the whole file again"
        )
    if intake.digest != sha256:
        raise NeedsPerson(
            f"wrong digest: sha256 {sha256} was declared, but these {intake.taken} bytes have {intake.digest}",
            where=uri,
            fix="put the declared file there again, or declare this one as a new version",
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _lately(folder: Path, seconds: float) -> bool:
    """Whether a folder was written or marked in the last so many seconds."""
    return seconds > 0 and time.time() - folder.stat().st_mtime < seconds


def _marks(path: Path) -> list[int]:
    """What changes when a file does. The change time cannot be set back by whoever edits the file."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _stamps(folder: Path) -> dict[str, list[int]]:
    try:
        stamps = json.loads((folder / STAMP).read_bytes())
    except (
        FileNotFoundError,
        NotADirectoryError,
        ValueError,
    ):  # a stamp that cannot be read is no stamp: the file is hashed again
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _stamped(path: Path) -> bool:
    try:
        return _stamps(path.parent).get(path.name) == _marks(path)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _stamp(path: Path) -> None:
    stamps = {**_stamps(path.parent), path.name: _marks(path)}
    draft = path.parent / f"{STAMP}.new"
    draft.write_text(json.dumps(stamps))
    draft.replace(path.parent / STAMP)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
