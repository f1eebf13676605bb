"""Reads the bounded output files of a process workload: the last lines, and new ones as they come.

Neighbours: shim.py writes and rotates them (`log`, then `log.1`), process.py says when the process has ended.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

PAUSE = 0.1
"""Seconds between two looks for new output."""


def read_lines(path: Path, tail: int | None, follow: bool, ended: Callable[[], bool]) -> Iterator[str]:
    """Lines, oldest first: the last `tail` of them, then with `follow` new ones until `ended` and all is read."""
    current = path.open("rb")
    try:
        buffer = _Lines()
        before = buffer.take(_previous(path, current)) + buffer.take(current.read())
        if not follow:
            before += buffer.rest()
        yield from before if tail is None else deque(before, maxlen=tail)
        while follow:
            done = ended()
            yield from buffer.take(current.read())
            if _replaced(path, current):
                yield from buffer.take(current.read())  # what came between the look and the change; no more will come
                current.close()
                current = path.open("rb")
            elif done:
                yield from buffer.rest()
                return
            else:
                time.sleep(PAUSE)
    finally:
        current.close()


class _Lines:
    """Cuts bytes into lines and keeps the unfinished one."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> list[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]

    def rest(self) -> list[str]:
        rest, self._rest = self._rest, b""
        return [rest.decode("utf-8", "replace")] if rest else []


def _previous(path: Path, current: BinaryIO) -> bytes:
    previous = path.with_name(f"{path.name}.1")
    try:
        with previous.open("rb") as file:
            return b"" if _same(previous, current) else file.read()
    except FileNotFoundError:
        return b""


def _replaced(path: Path, current: BinaryIO) -> bool:
    return path.exists() and not _same(path, current)


def _same(path: Path, current: BinaryIO) -> bool:
    return os.path.samestat(path.stat(), os.fstat(current.fileno()))
