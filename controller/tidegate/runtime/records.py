"""The state file of one process workload: what was started, by which shim, and how it ended.

Neighbours: shim.py alone writes it (temp file, fsync, rename), process.py reads it.
"""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.spec.errors import NeedsPerson, RetryLater

log = logging.getLogger(__name__)

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """`meta` is what process.py gave to the shim; `shim` and `child` are (process id, start time in ticks since boot).

    `started_at` in epoch seconds; `exit_code` None while it runs, or when the shim was killed before it could write it.
    """

    meta: dict[str, Any]
    boot: str
    shim: tuple[int, int]
    child: tuple[int, int]
    started_at: float
    exit_code: int | None


@contextmanager
def state_faults(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses in the state folder into our errors: a full disk and missing rights need a person."""
    try:
        yield
    except OSError as error:
        text = f"cannot be written: {error.strerror or error}"
        if error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EEXIST,
        ):
            fix = "give it space and the controller's user the right to it, or set `state` in tidegate.yaml"
            raise NeedsPerson(text, where=str(folder), fix=fix) from error
        raise RetryLater(text, where=str(folder), delay=2.0) from error


def read_record(path: Path) -> Record | None:
    """What the state file says. None without one, or with a damaged one: the next start then ends what it left.

    Raises NeedsPerson for a format that another version of Tidegate wrote.
    """
    try:
        state = json.loads(path.read_bytes())
        if state["format"] != FORMAT:
            raise NeedsPerson(
                f"has format {state['format']}, this Tidegate reads {FORMAT}",
                where=str(path),
                fix="run the Tidegate version that wrote it, or end its processes with that one first",
            )
        shim, child = tuple(state["shim"]), tuple(state["child"])
        return Record(state["meta"], state["boot"], shim, child, state["started_at"], state["exit_code"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        log.warning("%s is damaged and counts as absent: %r", path, error)
        return None
