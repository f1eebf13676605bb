"""Model servers in miniature on loopback, a client, and a steady load: what the gateway's tests and benchmarks stand on.

A backend reads a request body by its Content-Length alone, as many plain servers do, and answers with what it received.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 4096  # a thread a connection is slow to start: on a busy machine a thousand of them wait

    def __init__(self, address: tuple[str, int], backend: Backend) -> None:
        self.backend = backend
        self.open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        return  # a client that has left is no news


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer
    server: _Server

    def _answer(self) -> None:
        backend = self.server.backend
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size)
        if len(body) < size:  # whoever sent it gave up: half a request is none
            self.close_connection = True
            return
        backend.seen += 1
        if backend.delay:
            time.sleep(backend.delay)
        told = {
            "backend": backend.name,
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("utf-8", "surrogateescape"),
        }
        text = json.dumps(told).encode()
        self.send_response(backend.status)
        for name, value in backend.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    do_GET = _answer  # noqa: N815 the base class looks for these names
    do_POST = _answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        return


class Backend:
    """One server. `delay` in seconds before each answer, `status` of each answer, `seen` requests so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.delay = 0.0
        self.status = 200
        self.headers: dict[str, str] = {}
        self.seen = 0
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return "127.0.0.1", int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening and cut every open connection, as a killed process does."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._server.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # already gone


@dataclass(frozen=True)
class Answer:
    """What a client got. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def release(self) -> str | None:
        """Which release answered."""
        return self.headers.get("x-tidegate-release")


def ask(
    port: int,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    method: str | None = None,
) -> Answer:
    """One request on a connection of its own."""
    body = body.encode() if isinstance(body, str) else body
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


class Load:
    """Clients that ask one after the other on kept connections, until `stop`. Each answer: (when asked for, status, release)."""

    def __init__(self, port: int, path: str, clients: int = 4, headers: Mapping[str, str] | None = None) -> None:
        self._port, self._path, self._headers = port, path, dict(headers or {})
        self._stop = threading.Event()
        self.answers: list[tuple[float, int, str | None]] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.stop()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop.wait(0.002):
            asked = time.monotonic()
            try:
                connection.request("POST", self._path, body=b'{"x": 1}', headers=self._headers)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                time.sleep(0.01)
                continue
            self.answers.append((asked, response.status, response.getheader("x-tidegate-release")))
            if response.status >= 500:
                self.failures.append(str(response.status))
        connection.close()

    def stop(self) -> None:
        """End all clients."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Until so many further answers came."""
        wanted = len(self.answers) + more
        until = time.monotonic() + 60
        while len(self.answers) < wanted:
            assert time.monotonic() < until, f"only {len(self.answers)} answers, failures: {self.failures[:3]}"
            time.sleep(0.002)

    def releases(self, since: float = 0.0) -> Counter[str | None]:
        """Answers by release, of those that were asked for after `since`."""
        return Counter(release for asked, _, release in list(self.answers) if asked > since)
