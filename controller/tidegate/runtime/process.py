"""The runtime of processes: each workload its command under a small shim, found again by a state file after a restart.

Neighbours: launch.py starts shim.py beside each command, where it outlives the controller; records.py reads its state
file, procfs.py tells our processes from others, deaths.py tells of an end at once, logfile.py reads the output.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tidegate.artifacts.lock import BusyError, locked
from tidegate.runtime import procfs
from tidegate.runtime.deaths import Deaths
from tidegate.runtime.expand import expand
from tidegate.runtime.interface import Instance, Workload
from tidegate.runtime.labels import labels
from tidegate.runtime.launch import environment, free_port, launch
from tidegate.runtime.logfile import read_lines
from tidegate.runtime.records import Record, read_record, state_faults
from tidegate.spec.controller import RuntimeSettings
from tidegate.spec.errors import NeedsPerson, RetryLater

LOG_LIMIT = 8 << 20
"""Bytes of one output file; two are kept for each workload."""
KILL_TIMEOUT = 5.0
GONE = ".gone-"


class ProcessRuntime:
    """Processes of one Tidegate instance on this machine. Safe under several threads and several controllers."""

    kind = "process"

    def __init__(self, settings: RuntimeSettings, instance: str, state: Path) -> None:
        self._path = settings.path
        self._instance = instance
        self._root = (state / "processes" / instance).absolute()
        self._locks = self._root / ".locks"
        with state_faults(self._root):
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
            self._discard(workload.name)
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
            self._discard(name)
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
        self._sweep()
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
        with state_faults(self._root), locked(self._locks / name, remove=remove):
            yield

    def _discard(self, name: str) -> None:
        """Away with a folder, under its lock. By a rename first: what a killed controller leaves of it is told from a server."""
        folder, gone = self._folder(name), self._root / f"{GONE}{name}"
        if folder.exists():
            shutil.rmtree(gone, ignore_errors=True)
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _sweep(self) -> None:
        """What a controller that was killed while it stopped a server has left: half a folder, a lock of nobody."""
        with state_faults(self._root):
            names = {path.name for path in self._locks.iterdir()}
            names |= {path.name.removeprefix(GONE) for path in self._root.glob(f"{GONE}*")}
        for name in sorted(names):
            lock = self._locks / name
            with contextlib.suppress(BusyError), state_faults(self._root), locked(lock, wait=False):
                shutil.rmtree(self._root / f"{GONE}{name}", ignore_errors=True)
                if not (self._root / name).exists():
                    lock.unlink(missing_ok=True)

    def _record(self, name: str) -> Record | None:
        return read_record(self._folder(name) / "state.json")

    def _runs(self, record: Record) -> bool:
        """The shim lives exactly as long as the server does, plus the moment it takes to write the exit code."""
        if record.exit_code is not None or record.boot != self._boot:
            return False
        return procfs.is_alive(*record.shim, self._marker(record.meta["name"]))

    def _instance_of(self, record: Record) -> Instance:
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
        port = free_port({instance.address[1] for instance in self.observe() if instance.address})
        configs = str(workload.configs) if workload.configs else None
        command, env = expand(workload, str(workload.artifact) if workload.artifact else None, port, configs)
        if not command:
            raise NeedsPerson(
                "the version has no command, and this runtime runs commands",
                where=f"{workload.model} {workload.version}",
                fix="declare `runtime.command`, or set `runtime: {kind: docker}` in tidegate.yaml",
            )
        folder = self._folder(workload.name)
        meta = {
            "name": workload.name,
            "model": workload.model,
            "version": workload.version,
            "digest": workload.digest,
            "replica": workload.replica,
            "port": port,
            "labels": labels(workload, self._instance, port, configs),
        }
        marker = {procfs.MARKER: self._marker(workload.name)}
        try:
            launch(folder, command, {**environment(self._path), **env, **marker}, meta, self._boot, LOG_LIMIT)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _end(self, record: Record, grace: float) -> None:
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
