"""A lock on a file beside the journal, which the system lets go of however the process ends: who gets it knows the last one dead.

Neighbours: journal.py takes it, lease.py has the word on who acts; readers never lock.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tidegate.spec.errors import NeedsPerson


class OwnerLock:
    """Tried for at creation, and again by `take`. Raises NeedsPerson when the file cannot be made."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            fix = "give the folder to the user Tidegate runs as, or set 'journal' in tidegate.yaml"
            raise NeedsPerson(
                f"the journal's lock cannot be made: {error.strerror}", where=str(path), fix=fix
            ) from error
        self._open = True
        self.held = False
        self.take()

    def take(self) -> bool:
        """Whether it is ours, tried again if need be."""
        if self._open and not self.held:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            self.held = True
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        return self.held

    def release(self) -> None:
        """Let the next controller in, once. The file stays: removing it would let two in at once."""
        if self._open:
            self._open = self.held = False
            os.close(self._file)
