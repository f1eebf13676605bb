"""Work spread over processes: every task is done once or again, whatever happens to a child."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tidegate.cli.check.pool import processors, spread

HERE = os.getpid()


def children() -> set[str]:
    """The processes that this one has started and not seen the end of."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def test_results_come_in_the_order_of_the_tasks_from_several_processes() -> None:
    def work(number: int) -> tuple[int, int]:
        time.sleep(0.01)
        return number * number, os.getpid()

    found = spread(work, range(40), 3)
    assert [square for square, _ in found] == [number * number for number in range(40)]
    assert len({pid for _, pid in found}) == 3


@pytest.mark.parametrize("tasks", [0, 1, 2, 20_000])
def test_any_number_of_tasks_is_done(tasks: int) -> None:
    assert spread(lambda number: number + 1, range(tasks), 2) == list(range(1, tasks + 1))


@pytest.mark.parametrize("how", ["killed", "failed", "unspeakable"])
def test_what_a_child_cannot_do_is_done_here(how: str) -> None:
    def work(number: int) -> object:
        if os.getpid() == HERE:
            time.sleep(0.005)
            return number
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "failed":
            raise ValueError("only here")
        return object()

    assert spread(work, range(30), 3) == list(range(30))


def test_what_fails_everywhere_fails_as_it_would_in_one_process() -> None:
    def work(number: int) -> int:
        raise ValueError(f"task {number}")

    before = children()
    with pytest.raises(ValueError, match="task"):
        spread(work, range(9), 2)
    assert children() == before, "no child is left behind"


def test_large_results_come_home() -> None:
    assert [len(text) for text in spread(lambda size: b"x" * size, [3_000_000] * 4, 2)] == [3_000_000] * 4


def test_an_interrupt_ends_the_children_too() -> None:
    def work(number: int) -> int:
        if os.getpid() == HERE:
            raise KeyboardInterrupt
        time.sleep(60)
        return number

    started, before = time.monotonic(), children()
    with pytest.raises(KeyboardInterrupt):
        spread(work, range(4), 2)
    assert time.monotonic() - started < 50, "nobody waits for what a child still does"
    assert children() == before


def test_a_process_with_threads_does_not_fork() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert processors() == 1
    finally:
        stop.set()
        thread.join()
