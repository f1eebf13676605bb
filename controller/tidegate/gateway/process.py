"""Envoy as a process of its own session that outlives the controller: find it again, start it, hand over to a new one, end it.

supervisor.py decides when; files.py has the folder in which it is remembered.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tidegate.gateway import files
from tidegate.gateway.files import Folder


@dataclass(frozen=True, slots=True)
class Running:
    """One Envoy. `started` in clock ticks since `boot`; `setup` is the digest of all that is fixed at start.

    `relieved` and `relieved_started`: of the one whose sockets it took over, which may have requests to finish.
    """

    pid: int
    started: int
    boot: str
    setup: str
    epoch: int = 0
    relieved: int = 0
    relieved_started: int = 0


# Envoy asks the kernel to be ended with its parent, so its parent must not be us: the shell in between has ended before Envoy
# begins. It begins at a word from us, once it is written down; when we die before that, it ends.
_ORPHAN = 'exec 3<&0; (read -r word <&3 && exec "$@" 3<&- >&2) & echo $!'


def started_at(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def find(folder: Folder) -> Running | None:
    """The Envoy that serves from this folder, if it runs."""
    try:
        running = Running(**orjson.loads(folder.process.read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError, TypeError):
        return None
    if running.boot != files.same_boot() or started_at(running.pid) != running.started:
        return None
    return running


def spawn(command: Sequence[str], folder: Folder, setup: str, previous: Running | None) -> Running:
    """Start Envoy in its own session; with `previous`, as its successor that takes over its sockets (hot restart)."""
    if previous is None:
        folder.base_id.unlink(missing_ok=True)
        restart = ["--use-dynamic-base-id", "--base-id-path", str(folder.base_id)]
    else:
        restart = ["--base-id", folder.base_id.read_text().strip(), "--restart-epoch", str(previous.epoch + 1)]
    log = files.owner_only(folder.log)
    try:
        with subprocess.Popen(
            ["/bin/sh", "-c", _ORPHAN, "sh", *command, *restart],
            cwd=folder.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        ) as shell:
            assert shell.stdin is not None and shell.stdout is not None
            pid = int(shell.stdout.readline())
            shell.wait()
            _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            epoch = previous.epoch + 1 if previous else 0
            relieved = (previous.pid, previous.started) if previous else ()
            running = Running(pid, started_at(pid) or 0, files.same_boot(), setup, epoch, *relieved)
            files.replace(folder.process, orjson.dumps(asdict(running)))
            shell.stdin.write(b"begin\n")
            shell.stdin.flush()
    finally:
        os.close(log)
    return running


def signal_to(running: Running, number: signal.Signals) -> None:
    """Send a signal, unless the process is gone or its id belongs to another by now."""
    if started_at(running.pid) == running.started:
        os.kill(running.pid, number)


def listener_of(port: int) -> tuple[int, str] | None:
    """Process id and command of whoever listens on a TCP port; None where that cannot be seen (another user's process)."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _holds(process, sockets):
            command = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            return int(process.name), command
    return None


def has_open(path: Path) -> bool:
    """Whether any process of this user has this file open."""
    wanted = {str(path.resolve())}
    return any(_holds(process, wanted) for process in Path("/proc").iterdir() if process.name.isdigit())


def _holds(process: Path, names: set[str]) -> bool:
    try:
        files = list(process.joinpath("fd").iterdir())
    except OSError:  # ended in between, or not ours to look at
        return False
    return any(_target(file) in names for file in files)


def _target(file: Path) -> str:
    """What this descriptor stands for; "" when it was closed in between: the process has others."""
    try:
        return str(file.readlink())
    except OSError:
        return ""
