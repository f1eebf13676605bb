"""A Docker engine of a test's own: its own socket, data and bridge, so that it can be killed and started again.

Needs root, as an engine does. Neighbours: engine.py has the shared engine, which no test ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from support.engine import eventually

AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
PATH = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}


def _root(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*AS_ROOT, *words], capture_output=True, text=True, env=PATH, check=False)
    if check and done.returncode:
        pytest.fail(f"{' '.join(words)}: {done.stderr}", pytrace=False)
    return done


class OwnEngine:
    """One dockerd. `keeps`: containers outlive it (`live-restore`); without, a start ends those that it finds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._bridge = f"tg{uuid.uuid4().hex[:8]}"
        taken = _root("ip", "-4", "-o", "addr").stdout + _root("ip", "-4", "route").stdout
        net = next(f"172.31.{part}" for part in range(100, 250) if f"172.31.{part}." not in taken)
        _root("ip", "link", "add", "name", self._bridge, "type", "bridge")
        _root("ip", "addr", "add", f"{net}.1/24", "dev", self._bridge)
        _root("ip", "link", "set", self._bridge, "up")

    @property
    def pid(self) -> int:
        """Its process."""
        return int((self.folder / "pid").read_text())

    def start(self, *, keeps: bool) -> None:
        """Start it, and wait until it answers. It is given a second try: it gives its containerd ten seconds only."""
        command = [
            "dockerd", "--host", self.host, "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec"),
            "--pidfile", str(self.folder / "pid"), "--bridge", self._bridge, "--iptables=false", "--ip-masq=false",
            *(["--live-restore"] if keeps else []),
        ]  # fmt: skip
        for tries_left in (1, 0):
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [*AS_ROOT, *command],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    env=PATH,
                    start_new_session=True,
                )
            eventually(lambda: self._process.poll() is not None or self.answers(), timeout=60, every=0.1)
            if self._process.poll() is None:
                return
            log_tail = (self.folder / "log").read_text()[-2000:]
            if not tries_left or "waiting for containerd" not in log_tail:
                pytest.fail(f"dockerd ended:\n{log_tail}", pytrace=False)

    def answers(self) -> bool:
        """Whether it is there."""
        return _root("docker", "--host", self.host, "version", check=False).returncode == 0

    def end(self, number: signal.Signals) -> None:
        """By a signal, and wait until it is gone."""
        _root("kill", f"-{int(number)}", str(self.pid))
        self._process.wait(60)
        if number is signal.SIGKILL:
            (self.folder / "pid").unlink(missing_ok=True)

    def clean(self) -> None:
        """Everything of it."""
        if self._process.poll() is None:
            self.end(signal.SIGTERM)
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if line.split()[1].startswith(str(self.folder)):
                _root("umount", line.split()[1], check=False)
        _root("ip", "link", "del", self._bridge)
        _root("rm", "-rf", str(self.folder / "data"), str(self.folder / "exec"))
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def own_engine(docker_engine: docker.DockerClient) -> Iterator[OwnEngine]:
    """An engine that may be killed. The shared one says that engines work here."""
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="tg-")))  # a socket's path is short
    try:
        engine.start(keeps=True)
        yield engine
    finally:
        engine.clean()
