"""Runs one workload's command and stays beside it: its output bounded, its exit code known, no child left behind.

Started by process.py as a program of its own (standard library only, no import of Tidegate); outlives the controller.
One JSON object on standard input says what to run; the state file it writes is read by process.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
FORMAT = 1
CHUNK = 1 << 16


class Log:
    """A file and its predecessor, each at most `limit` bytes. A full disk loses output; it never stops the server."""

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._descriptor = self._open()
        self._size = 0

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, data: bytes) -> None:
        """Append; begin a new file first when this one is full. What cannot be written is lost: serving comes first."""
        with contextlib.suppress(OSError):
            if self._size and self._size + len(data) > self._limit:
                self._size = 0
                os.replace(self._path, f"{self._path}.1")  # noqa: PTH105 pathlib would double the start-up time
                full, self._descriptor = self._descriptor, self._open()
                os.close(full)
            self._size += os.write(self._descriptor, data)


def start_time(pid: int) -> int:
    """When a process began, in clock ticks since boot: with the pid it names one process."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 pathlib would double the start-up time
        return int(file.read().rpartition(b")")[2].split()[19])


def write_state(path: str, state: dict[str, Any]) -> None:
    """Temp file, fsync, rename: a reader sees the old state or the new one."""
    draft = f"{path}.new"
    with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123 as above
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)  # noqa: PTH105 as above


def _die_with(parent: int) -> None:
    """In the child: end when the shim does, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class Shim:
    """One command, from its start to its exit code."""

    def __init__(self, order: dict[str, Any], signals: int) -> None:
        self._order = order
        self._signals = signals
        self._log = Log(order["log"], order["log_limit"])
        me = os.getpid()
        self._child = subprocess.Popen(
            order["command"],
            env=order["env"],
            cwd=order["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _die_with(me),
        )
        self._pid = self._child.pid
        self._code: int | None = None
        self._state: dict[str, Any] = {
            "format": FORMAT,
            "boot": order["boot"],
            "shim": [me, start_time(me)],
            "child": [self._pid, start_time(self._pid)],
            "started_at": time.time(),
            "exit_code": None,
            "meta": order["meta"],
        }
        write_state(order["state"], self._state)

    def run(self) -> None:
        """Copy output until the command has ended, then write its exit code and end what it left behind."""
        output = self._child.stdout.fileno()  # type: ignore[union-attr]  # it is a pipe, see above
        os.set_blocking(output, False)
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            selector.register(self._signals, selectors.EVENT_READ)
            while self._code is None:
                for key, _ in selector.select():
                    if key.fd == self._signals:
                        self._hear(os.read(self._signals, CHUNK))
                    elif self._copy(output) == 0:
                        selector.unregister(output)
        while self._copy(output) > 0:
            pass
        self._finish()

    def _copy(self, output: int) -> int:
        """Copy what is there: how many bytes; 0 at the end of output, -1 when there is none just now."""
        try:
            data = os.read(output, CHUNK)
        except BlockingIOError:
            return -1
        self._log.write(data)
        return len(data)

    def _hear(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGTERM:
                self._signal(signal.SIGTERM)
            elif number == signal.SIGUSR1:
                self._signal(signal.SIGKILL)
        self._reap()

    def _signal(self, number: signal.Signals) -> None:
        """To the whole group. The pid cannot have been given to anyone else: the shim has not reaped it yet."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):  # the group ended by itself in this moment
                os.killpg(self._pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                code = os.waitstatus_to_exitcode(status)
                self._code = code if code >= 0 else 128 - code
                self._child.returncode = code

    def _finish(self) -> None:
        self._state["exit_code"] = self._code
        self._state["ended_at"] = time.time()
        try:
            write_state(self._order["state"], self._state)
        finally:
            self._end_descendants()

    def _end_descendants(self) -> None:
        """As subreaper this process inherits every orphan below it; kill until none is left."""
        me = os.getpid()
        while True:
            with open(f"/proc/{me}/task/{me}/children", "rb") as file:  # noqa: PTH123 as above
                left = [int(pid) for pid in file.read().split()]
            if not left:
                return
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            for pid in left:
                os.waitpid(pid, 0)


def main() -> None:
    """Read the order, go into the background, run. The caller waits for the state file, or learns why there is none."""
    order = json.load(sys.stdin)
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            word = pipe.read()
        os.write(2, word.removeprefix(b"ok"))
        os._exit(0 if word == b"ok" else 1)
    os.close(reading)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signals, wake = os.pipe()
    os.set_blocking(signals, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
        signal.signal(
            number, lambda *_: None
        )  # a handler, since what is ignored here would be ignored by the server too
    try:
        shim = Shim(order, signals)
    except OSError as error:
        os.write(writing, json.dumps({"errno": error.errno, "text": error.strerror, "file": error.filename}).encode())
        os._exit(1)
    os.write(writing, b"ok")
    os.close(writing)
    shim.run()
    os._exit(0)


if __name__ == "__main__":
    main()
