"""One controller a journal: a lock on a file beside it, which the system lets go of however the process ends.

Neighbour: journal.py takes it before it writes; readers never do.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tidegate.spec.errors import NeedsPerson


class OwnerLock:
    """Held from creation until `release`. Raises NeedsPerson, naming the owner, when another process holds it."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            fix = "give the folder to the user Tidegate runs as, or set 'journal' in tidegate.yaml"
            raise NeedsPerson(
                f"the journal's lock cannot be made: {error.strerror}", where=str(path), fix=fix
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._file, 64, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise NeedsPerson(
                f"another controller (process {owner}) writes this journal",
                where=str(path.with_suffix("")),
                fix=f"stop process {owner} first, or give this one its own 'state' in tidegate.yaml",
            ) from error
        self._held = True
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next controller in, once. The file stays: removing it would let two in at once."""
        if self._held:
            self._held = False
            os.close(self._file)
