"""Spreads work over the processors, where there is enough of it: forked children, since what they need is loaded already.

Neighbours: judge.py hands over groups of units, parts.py judges them, pack.py brings the outcomes home.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from tidegate.cli.check.pack import packed, unpacked

T = TypeVar("T")
R = TypeVar("R")


def processors() -> int:
    """How many processors this process may use; 1 where it must not fork, because it runs other threads."""
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        return 1
    return len(os.sched_getaffinity(0))


def spread(work: Callable[[T], R], tasks: Sequence[T], workers: int) -> list[R]:
    """`work` done on each task, in their order, by this process and `workers` - 1 children.

    Whoever is done takes the next task, so a busy processor gets fewer. What a child could not do (it failed, or was ended)
    is done here: so whatever goes wrong, goes wrong as it would with one worker.
    """
    results: dict[int, R] = {}
    queue, feed = os.pipe()
    children: list[tuple[int, int]] = []
    try:
        # Two bytes a task, all of them in the pipe before anybody reads: a read of two takes exactly one task.
        os.write(feed, b"".join(number.to_bytes(2, "big") for number in range(min(len(tasks), 2**14))))
        os.close(feed)
        feed = -1
        children += [_fork(work, tasks, queue) for _ in range(workers - 1)]
        while number := os.read(queue, 2):
            index = int.from_bytes(number, "big")
            results[index] = work(tasks[index])
        for _, out in children:
            results |= _gathered(out)
    finally:
        for number_ in (queue, feed):
            if number_ >= 0:
                os.close(number_)
        for child, out in children:
            _end(child, out)
    return [results[index] if index in results else work(task) for index, task in enumerate(tasks)]


def _fork(work: Callable[[T], R], tasks: Sequence[T], queue: int) -> tuple[int, int]:
    """A child at work, and where its results will come from."""
    out, into = os.pipe()
    child = os.fork()
    if child:
        os.close(into)
        return child, out
    try:
        os.close(out)
        found = {}
        while number := os.read(queue, 2):
            index = int.from_bytes(number, "big")
            found[index] = work(tasks[index])
        with os.fdopen(into, "wb") as stream:
            stream.write(packed(found))
    finally:
        os._exit(0)  # nothing of the parent's is flushed or cleaned up here; what is missing, the parent does itself


def _gathered(out: int) -> dict[int, R]:
    with os.fdopen(os.dup(out), "rb") as stream:
        data = stream.read()
    try:
        found: dict[int, R] = unpacked(data)
    except (ValueError, EOFError, TypeError):  # it was ended before it could tell
        return {}
    return found


def _end(child: int, out: int) -> None:
    os.close(out)  # a child that still writes is told so
    with suppress(ProcessLookupError, ChildProcessError):
        if os.waitpid(child, os.WNOHANG)[0] == 0:
            os.kill(child, 15)
            os.waitpid(child, 0)
