"""One holder at a time, across threads and processes, by a lock file that its last holder may remove.

Neighbours: store.py fetches under it, runtime/process.py starts and stops under it.
The kernel frees it when its holder ends, however that comes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class BusyError(Exception):
    """Somebody else holds the lock, and waiting was not asked for."""


@contextmanager
def locked(path: Path, *, wait: bool = True, remove: bool = False) -> Iterator[None]:
    """Hold the lock file `path`; its folder must exist. `remove`: delete the file at the end.

    Raises BusyError when `wait` is False and somebody holds it, OSError when the file cannot be made.
    """
    descriptor = _take(path, wait)
    try:
        yield
        if remove:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _take(path: Path, wait: bool) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass  # its last holder removed the file while we waited: the next round makes a new one
        except BlockingIOError as error:
            os.close(descriptor)
            raise BusyError(str(path)) from error
        os.close(descriptor)
