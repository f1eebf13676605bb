"""Speaks to Envoy's admin interface: a socket file that only this user can open, or a loopback address.

supervisor.py asks it what is live; process.py whether Envoy is ready.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tidegate.gateway.names import split_address
from tidegate.spec.errors import RetryLater

_SAMPLE = re.compile(r"^envoy_(\w+)(?:\{(.*)\})? (\d+)$", re.MULTILINE)
_TEXT = re.compile(r'\btext_value="([^"]*)"')


class _FileConnection(http.client.HTTPConnection):
    """HTTP over a socket file. It is opened through its folder's descriptor: a socket's path may have 107 bytes only."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


class Admin:
    """Envoy's admin interface at a socket file, or at `address` (HOST:PORT)."""

    def __init__(self, path: Path, address: str | None = None, timeout: float = 5.0) -> None:
        self._path = path
        self._address = address
        self._timeout = timeout

    @contextlib.contextmanager
    def _connection(self, timeout: float) -> Iterator[http.client.HTTPConnection]:
        if self._address is None:
            connection: http.client.HTTPConnection = _FileConnection(self._path, timeout)
        else:
            host, port = split_address(self._address)
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        try:
            yield connection
        finally:
            connection.close()

    def call(self, method: str, target: str, timeout: float | None = None) -> tuple[int, bytes]:
        """Status and body. Raises RetryLater when Envoy does not answer within `timeout` seconds."""
        try:
            with self._connection(self._timeout if timeout is None else timeout) as connection:
                connection.request(method, target)
                response = connection.getresponse()
                return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RetryLater(f"Envoy's admin interface does not answer: {error}", where="gateway", delay=0.1) from error

    def get(self, target: str, timeout: float | None = None) -> Any:
        """The JSON at `target`. Raises RetryLater when Envoy does not answer, or not with 200."""
        status, body = self.call("GET", target, timeout)
        if status != 200:
            raise RetryLater(f"Envoy's admin interface answers {status} to {target}", where="gateway", delay=0.1)
        return orjson.loads(body)

    def ready(self) -> bool:
        """Whether Envoy has all its configuration and takes requests."""
        try:
            status, body = self.call("GET", "/ready")
        except RetryLater:
            return False
        return status == 200 and body.strip() == b"LIVE"

    def live_epoch(self) -> int | None:
        """Which start of this Envoy answers here and takes requests, counted over hot restarts; None when none does."""
        try:
            info = self.get("/server_info")
        except RetryLater:
            return None
        return int(info["command_line_options"].get("restart_epoch", 0)) if info["state"] == "LIVE" else None

    def stats(self, pattern: str, timeout: float | None = None) -> dict[str, int | str]:
        """Counters, gauges and texts whose names the regular expression finds, of those that were ever counted.

        By the names that Envoy gives them for Prometheus, without `envoy_` and labels. Its JSON would have their own, and take
        ten times as long with thousands of clusters: it walks through every cluster's statistics to find the few.
        """
        status, body = self.call("GET", f"/stats/prometheus?text_readouts&usedonly&filter={pattern}", timeout)
        if status != 200:
            raise RetryLater(f"Envoy's admin interface answers {status} for its statistics", where="gateway", delay=0.1)
        found: dict[str, int | str] = {}
        for name, labels, value in _SAMPLE.findall(body.decode()):
            text = _TEXT.search(labels)
            found[name] = text[1] if text else int(value)
        return found

    def runtime(self, timeout: float | None = None) -> dict[str, str]:
        """The runtime values that are in force, by key."""
        entries = self.get("/runtime?format=json", timeout)["entries"]
        return {key: entry["final_value"] for key, entry in entries.items()}
