"""The runtime of processes: each workload its command under a small shim, found again by a state file after a restart.

Neighbours: shim.py runs beside each command and outlives the controller, procfs.py tells our processes from others,
deaths.py tells of an end at once, logfile.py reads the output.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.artifacts.lock import locked
from tidegate.runtime import procfs
from tidegate.runtime.deaths import Deaths
from tidegate.runtime.expand import expand
from tidegate.runtime.interface import Instance, Workload
from tidegate.runtime.labels import labels
from tidegate.runtime.logfile import read_lines
from tidegate.spec.controller import RuntimeSettings
from tidegate.spec.errors import InternalError, NeedsPerson, RetryLater, TidegateError

log = logging.getLogger(__name__)

SHIM = Path(__file__).with_name("shim.py")
FORMAT = 1
LOG_LIMIT = 8 << 20
"""Bytes of one output file; two are kept for each workload."""
LAUNCH_TIMEOUT = 30.0
KILL_TIMEOUT = 5.0
KEPT = ("HOME", "LANG", "PATH", "LD_LIBRARY_PATH")
"""What a server sees of the controller's own environment: its secrets stay with it."""


@dataclass(frozen=True, slots=True)
class _Record:
    """One state file: what was started, and how it ended if it did."""

    meta: dict[str, Any]
    boot: str
    shim: tuple[int, int]
    child: tuple[int, int]
    started_at: float
    exit_code: int | None


class ProcessRuntime:
    """Processes of one Tidegate instance on this machine. Safe under several threads and several controllers."""

    kind = "process"

    def __init__(self, settings: RuntimeSettings, instance: str, state: Path) -> None:
        self._path = settings.path
        self._instance = instance
        self._root = (state / "processes" / instance).absolute()
        self._locks = self._root / ".locks"
        self._locks.mkdir(parents=True, exist_ok=True)
        self._boot = procfs.boot_id()
        self._lock = threading.Lock()
        self._deaths: Deaths | None = None

    def observe(self) -> list[Instance]:
        """All processes of this instance by their state files, running or ended; `ref` is the server's process id."""
        found = []
        for folder in sorted(self._root.iterdir()):
            record = None if folder.name.startswith(".") else self._record(folder.name)
            if record is not None:
                found.append(self._instance_of(record))
        return found

    def start(self, workload: Workload) -> None:
        """Run its command on a free loopback port unless it runs; an ended one is replaced.

        Raises NeedsPerson (no command, no such program) or RetryLater.
        """
        with self._locked(workload.name):
            record = self._record(workload.name)
            if record is not None and self._runs(record):
                return
            procfs.end_marked(self._marker(workload.name))  # workers that outlived their server would keep its memory
            shutil.rmtree(self._folder(workload.name), ignore_errors=True)
            self._launch(workload)
        self._tell()

    def stop(self, name: str, grace: float) -> None:
        """TERM to its whole group, KILL after `grace` seconds; its state and output are removed."""
        with self._locked(name, remove=True):
            if not self._folder(name).exists():
                return
            record = self._record(name)
            if record is not None and self._runs(record):
                self._end(record, grace)
            procfs.end_marked(self._marker(name))
            shutil.rmtree(self._folder(name))
        self._tell()

    def logs(self, name: str, tail: int | None = None, follow: bool = False) -> Iterator[str]:
        """Lines of output, oldest first. `follow` ends with the process. Raises NeedsPerson for an unknown name."""

        def ended() -> bool:
            record = self._record(name)
            return record is None or not self._runs(record)

        try:
            yield from read_lines(self._folder(name) / "log", tail, follow, ended)
        except FileNotFoundError as error:
            raise NeedsPerson(
                "no instance of that name is known", where=name, fix="look with: tidegate status"
            ) from error

    def watch(self, hint: Callable[[], None]) -> None:
        """Call `hint` at every start and end."""
        with self._lock:
            if self._deaths is None:
                self._deaths = Deaths()
            self._deaths.hint(hint)
        self._tell()

    def close(self) -> None:
        """End the watching thread. Processes go on."""
        with self._lock:
            if self._deaths is not None:
                self._deaths.close()
                self._deaths = None

    # -- state files ---------------------------------------------------------------------------------------------------

    def _folder(self, name: str) -> Path:
        if not name or "/" in name or name.startswith("."):
            raise NeedsPerson("this is not the name of an instance", where=name, fix="look with: tidegate status")
        return self._root / name

    def _marker(self, name: str) -> str:
        return str(self._folder(name))

    @contextlib.contextmanager
    def _locked(self, name: str, *, remove: bool = False) -> Iterator[None]:
        self._folder(name)
        with locked(self._locks / name, remove=remove):
            yield

    def _record(self, name: str) -> _Record | None:
        """What the state file says. None without one, or with a damaged one: `start` then ends what it left."""
        path = self._folder(name) / "state.json"
        try:
            state = json.loads(path.read_bytes())
            if state["format"] != FORMAT:
                raise NeedsPerson(
                    f"has format {state['format']}, this Tidegate reads {FORMAT}",
                    where=str(path),
                    fix="run the Tidegate version that wrote it, or end its processes with that one first",
                )
            shim, child = tuple(state["shim"]), tuple(state["child"])
            return _Record(state["meta"], state["boot"], shim, child, state["started_at"], state["exit_code"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            log.warning("%s is damaged and counts as absent: %r", path, error)
            return None

    def _runs(self, record: _Record) -> bool:
        """The shim lives exactly as long as the server does, plus the moment it takes to write the exit code."""
        if record.exit_code is not None or record.boot != self._boot:
            return False
        return procfs.is_alive(*record.shim, self._marker(record.meta["name"]))

    def _instance_of(self, record: _Record) -> Instance:
        meta = record.meta
        running = self._runs(record)
        if not running and record.exit_code is None:  # it may have written its code between our two looks
            record = self._record(meta["name"]) or record
        return Instance(
            name=meta["name"],
            model=meta["model"],
            version=meta["version"],
            digest=meta["digest"],
            replica=meta["replica"],
            address=("127.0.0.1", meta["port"]) if running else None,
            running=running,
            started_at=record.started_at,
            ref=str(record.child[0]),
            exit_code=record.exit_code,
            labels=meta["labels"],
        )

    # -- starting and ending -------------------------------------------------------------------------------------------

    def _launch(self, workload: Workload) -> None:
        port = _free_port({instance.address[1] for instance in self.observe() if instance.address})
        command, env = expand(workload, str(workload.artifact) if workload.artifact else None, port)
        if not command:
            raise NeedsPerson(
                "the version has no command, and this runtime runs commands",
                where=f"{workload.model} {workload.version}",
                fix="declare `runtime.command`, or set `runtime: {kind: docker}` in tidegate.yaml",
            )
        folder = self._folder(workload.name)
        (folder / "work").mkdir(parents=True)
        marker = {procfs.MARKER: self._marker(workload.name)}
        order = {
            "command": command,
            "env": {**self._environment(), **env, **marker},
            "cwd": str(folder / "work"),
            "log": str(folder / "log"),
            "log_limit": LOG_LIMIT,
            "state": str(folder / "state.json"),
            "boot": self._boot,
            "meta": {
                "name": workload.name,
                "model": workload.model,
                "version": workload.version,
                "digest": workload.digest,
                "replica": workload.replica,
                "port": port,
                "labels": labels(workload, self._instance, port),
            },
        }
        # -I -S: neither the caller's environment nor anything installed changes what the shim does.
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(SHIM)],
                input=json.dumps(order).encode(),
                env={**self._environment(), **marker},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
                timeout=LAUNCH_TIMEOUT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RetryLater(f"cannot be launched now: {error}", where=workload.name, delay=2.0) from error
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise _launch_fault(workload, command[0], done.stderr)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        folders = [str(Path(folder).expanduser().absolute()) for folder in self._path]
        return {"LANG": "C.UTF-8", **kept, "PATH": os.pathsep.join([*folders, kept.get("PATH", os.defpath)])}

    def _end(self, record: _Record, grace: float) -> None:
        pid, started = record.shim
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            if not procfs.is_alive(pid, started, self._marker(record.meta["name"])):
                return  # asked again with the handle open: from here on it cannot be anybody else
            for number, patience in (
                (signal.SIGTERM, grace),
                (signal.SIGUSR1, KILL_TIMEOUT),
                (signal.SIGKILL, KILL_TIMEOUT),
            ):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, number)
                if _ended(descriptor, patience):
                    return
        finally:
            os.close(descriptor)
        raise RetryLater("does not end, not even by KILL", where=record.meta["name"], delay=5.0)

    def _tell(self) -> None:
        """Watch what runs now, and hint."""
        with self._lock:
            deaths = self._deaths
        if deaths is None:
            return
        for folder in self._root.iterdir():
            record = None if folder.name.startswith(".") else self._record(folder.name)
            if record is not None and self._runs(record):
                deaths.add(record.shim[0])
        deaths.tell()


def _ended(descriptor: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, patience) * 1000))


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:  # one of ours that does not listen yet
            return port


def _launch_fault(workload: Workload, program: str, told: bytes) -> TidegateError:
    where = f"{workload.model} {workload.version}"
    try:
        fault = json.loads(told)
    except ValueError:
        return InternalError(f"the shim failed: {told.decode('utf-8', 'replace')[-400:]}", where=where)
    reason = f"cannot run '{program}': {fault['text']}"
    match fault["errno"]:
        case errno.ENOENT | errno.EACCES | errno.ENOEXEC | errno.ENOTDIR:
            return NeedsPerson(
                reason,
                where=where,
                fix="correct `runtime.command`, or add its folder to `runtime.path` in tidegate.yaml",
            )
        case errno.ENOSPC | errno.EDQUOT:
            return NeedsPerson(reason, where=where, fix="free disk space for the controller's state folder")
        case _:
            return RetryLater(reason, where=where, delay=2.0)
