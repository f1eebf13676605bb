"""The file in which a running controller says how things are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tidegate.engine.live import ALL, FILE, FRESH, controller_alive, fresh, read_live, write_live


def test_what_was_written_last_is_read(tmp_path: Path) -> None:
    assert read_live(tmp_path) is None
    write_live(tmp_path, {"at": 1.0, "pid": 1})
    write_live(tmp_path, {"at": 2.0, "pid": 2})
    assert read_live(tmp_path) == {"at": 2.0, "pid": 2}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("left", [b"", b"{", b"[1]"])
def test_what_a_crash_left_of_it_counts_as_nothing(tmp_path: Path, left: bytes) -> None:
    (tmp_path / FILE).write_bytes(left)
    assert read_live(tmp_path) is None


def test_a_full_disk_keeps_the_last_and_leaves_no_rubbish(tiny_disk: Path) -> None:
    write_live(tiny_disk, {"at": 1.0, "pid": 1})
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            write_live(tiny_disk, {"at": 2.0, "pid": 1, "much": "x" * 200_000})
    assert read_live(tiny_disk) == {"at": 1.0, "pid": 1}
    assert [path.name for path in tiny_disk.iterdir()] == [FILE]


def test_it_is_fresh_while_its_writer_lives_and_writes(tmp_path: Path) -> None:
    assert not fresh(None)
    write_live(tmp_path, {"at": time.time(), "pid": os.getpid()})
    assert controller_alive(tmp_path)
    assert not fresh({"at": time.time() - FRESH - 1, "pid": os.getpid()})
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert not fresh({"at": time.time(), "pid": ended.pid})


def test_of_many_routes_those_that_moved_are_as_the_newer_file_says(tmp_path: Path) -> None:
    everything = {"routes": [{"route": name, "git": "old"} for name in "abcd"], "instances": [{"name": "one"}]}
    head = {"at": 1.0, "pid": 1, "instances": []}
    moved = {**head, "routes": [{"route": "c", "git": "new"}, {"route": "aa", "git": "new"}], "moved": ["aa", "b", "c"]}
    write_live(tmp_path, moved, everything)
    assert read_live(tmp_path) == {
        "at": 1.0,
        "pid": 1,
        "instances": [{"name": "one"}],
        "routes": [
            {"route": "a", "git": "old"},
            {"route": "aa", "git": "new"},
            {"route": "c", "git": "new"},
            {"route": "d", "git": "old"},
        ],
    }, "b moved, and is no more"
    (tmp_path / ALL).unlink()
    assert [route["route"] for route in (read_live(tmp_path) or {})["routes"]] == ["aa", "c"]
