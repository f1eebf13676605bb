"""Debian's own Prometheus, unpacked where none is installed, and an exporter whose figures a test sets.

No service is installed or started: each server belongs to its test, on a free port. Neighbours: engine.py has `eventually`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.engine import eventually, free_port

AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
CONFIG = """\
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - {job_name: shop, static_configs: [{targets: ["127.0.0.1:PORT"]}]}
"""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a scraper that has left is no news
            super().handle_error(request, client_address)


class Exporter:
    """Metrics over HTTP in the text format, each line as a test wrote it. `stopped`: it answers 503."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}
        self.stopped = False
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = "".join(f"{name} {value}\n" for name, value in dict(exporter.lines).items()).encode()
                self.send_response(503 if exporter.stopped else 200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args: object) -> None:
                return

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def set(self, series: str, value: float | str) -> None:
        """`name{label="x"}` shows this from now on; a text may end with a time in milliseconds."""
        self.lines[series] = str(value)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class Prometheus:
    """One server that scrapes one exporter five times a second. It can go away and come back with what it knew."""

    def __init__(self, binary: str, folder: Path, exporter: Exporter) -> None:
        self._binary, self._folder = binary, folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(CONFIG.replace("PORT", str(exporter.port)))

    def start(self) -> None:
        """Start it, and wait until it answers. Its first scrape comes some five seconds later."""
        command = [
            self._binary, f"--config.file={self._folder}/prometheus.yml", f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn",
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "GOMAXPROCS": "1"})
        eventually(self._ready, every=0.05)

    def _ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self._folder / "log").read_text()
        try:
            with urllib.request.urlopen(f"{self.address}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def query(self, query: str) -> list[Any]:
        """What an instant query gives."""
        url = f"{self.address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return list(json.load(answer)["data"]["result"])

    def wait_for(self, query: str, value: float | None = None) -> None:
        """Until a query gives something, or just this value."""

        def holds() -> bool:
            found = self.query(query)
            return bool(found) and (value is None or float(found[0]["value"][1]) == value)

        eventually(holds, every=0.1)

    def stop(self) -> None:
        """End it. What it knew stays on disk."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)


Scraped = tuple[Prometheus, Exporter]


@pytest.fixture(scope="session")
def prometheus_binary() -> str:
    """The program: an installed one, else Debian's package unpacked into a folder that stays from run to run."""
    found = shutil.which("prometheus")
    if found is not None:
        return found
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "tidegate" / "prometheus"
    binary = home / "usr/bin/prometheus"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _unpack(home)
    return str(binary)


def _unpack(home: Path) -> None:
    if shutil.which("apt-get") is None:
        pytest.fail("prometheus is missing, and this is no Debian. fix: install it", pytrace=False)
    get = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "download", "prometheus"]
    done = subprocess.run(get, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        subprocess.run([*AS_ROOT, "apt-get", "-q", "update"], capture_output=True, check=False)
        done = subprocess.run(get, cwd=home, capture_output=True, text=True, check=False)
    packages = sorted(home.glob("prometheus_*.deb"))
    if done.returncode or not packages:
        pytest.fail(f"apt-get could not fetch prometheus: {done.stderr}\n fix: install it", pytrace=False)
    fresh = home / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    subprocess.run(["dpkg", "-x", str(packages[-1]), str(fresh)], check=True)
    shutil.rmtree(home / "usr", ignore_errors=True)
    (fresh / "usr").rename(home / "usr")
    shutil.rmtree(fresh)
    for package in packages:
        package.unlink()


@pytest.fixture(scope="session")
def scraped(prometheus_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """One server for all tests that only read: each uses series of its own names."""
    yield from _open(prometheus_binary, tmp_path_factory.mktemp("prometheus"))


@pytest.fixture
def own_prometheus(prometheus_binary: str, tmp_path: Path) -> Iterator[Scraped]:
    """A server of the test's own, which it may stop and start."""
    yield from _open(prometheus_binary, tmp_path / "prometheus")


def _open(binary: str, folder: Path) -> Iterator[Scraped]:
    exporter = Exporter()
    server = Prometheus(binary, folder, exporter)
    server.start()
    exporter.set("shop_open", 1)
    yield server, exporter
    server.stop()
    exporter.close()
