"""A gateway with real Envoy in a folder of its own, and backends behind it; short ways to write routes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.backends import Answer, Backend, ask
from support.engine import eventually
from tidegate.gateway.model import Arm, Route, Table, Upstream
from tidegate.gateway.record import Cursor, RecordReader
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.controller import GatewaySettings


class Stream:
    """Answers every request in chunks, one for each call of `send`. A context: it ends with it."""

    def __init__(self, name: str, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._go = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.upstream = Upstream(name, (("127.0.0.1", int(self._listener.getsockname()[1])),))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def send(self) -> None:
        """Let the next piece go."""
        self._go.release()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return  # the test is over
            with connection:
                _read_request(connection)
                connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
                for piece in self._pieces:
                    self._go.acquire()
                    connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                connection.sendall(b"0\r\n\r\n")


def _read_request(connection: socket.socket) -> None:
    """All of it: a socket that is closed with something unread resets the connection."""
    seen = b""
    while not (seen.endswith(b"0\r\n\r\n") if b"chunked" in seen else _whole(seen)):
        seen += connection.recv(65536)


def _whole(seen: bytes) -> bool:
    head, found, body = seen.partition(b"\r\n\r\n")
    size = re.search(rb"content-length: (\d+)", head.lower())
    return bool(found) and len(body) >= int(size[1] if size else 0)


@dataclass
class World:
    """One gateway folder; `open` gives another controller's view of it."""

    state: Path
    port: int
    opened: list[Gateway] = field(default_factory=list)
    backends: dict[str, Backend] = field(default_factory=dict)

    def open(self, drain: float = 0.0, **settings: Any) -> Gateway:
        """A fresh object, as after a restart of the controller. Drains at once unless told otherwise."""
        declared = GatewaySettings(
            **{"address": f"127.0.0.1:{self.port}", "concurrency": 2, "flush": "20ms"} | settings
        )
        gateway = Gateway(declared, self.state, drain=drain)
        self.opened.append(gateway)
        return gateway

    def backend(self, name: str) -> Backend:
        """The backend of that name; made at the first call."""
        if name not in self.backends:
            self.backends[name] = Backend(name)
        return self.backends[name]

    def upstream(self, name: str, **more: Any) -> Upstream:
        """The upstream whose one instance is the backend of that name."""
        return Upstream(name, (self.backend(name).address,), **more)

    def ask(self, path: str, headers: Mapping[str, str] | None = None, body: Any = None, **more: Any) -> Answer:
        """One request to the gateway."""
        return ask(self.port, path, headers, body, **more)

    def streaming(self, name: str, pieces: Sequence[bytes]) -> Stream:
        """A server that answers in these pieces, each when it is told to."""
        return Stream(name, pieces)

    def lines(self, number: int) -> list[dict[str, Any]]:
        """The record, as soon as it has so many lines."""
        reader = RecordReader(self.state / "gateway" / "record" / "predictions.jsonl")
        return eventually(lambda: found if len(found := reader.read(Cursor())[0]) >= number else None)

    def table(self, *routes: Route, **upstreams: Upstream) -> Table:
        """These routes. Upstreams that are not given are the backends of their names."""
        names = {arm.upstream for route in routes for arm in (*route.arms, *filter(None, [route.shadow]))}
        return Table(tuple(upstreams.get(name) or self.upstream(name) for name in sorted(names)), routes)

    def settle(self, gateway: Gateway, *routes: Route, **upstreams: Upstream) -> Table:
        """Apply such a table until it is live."""
        table = self.table(*routes, **upstreams)
        eventually(lambda: gateway.apply(table).done)
        return table


def arm(release: str, weight: int = 1_000_000, **more: Any) -> Arm:
    """An arm whose upstream has the release's name."""
    return Arm(
        **{
            "release": release,
            "role": "stable",
            "version": "1.0.0",
            "config": "default",
            "commit": "c0ffee",
            "upstream": release,
            "weight": weight,
        }
        | more
    )


def split(share: int, *, moving: bool = True, **more: Any) -> Route:
    """Route `digits` with `v2` at `share` millionths beside `v1`."""
    arms = (arm("v1", 1_000_000 - share), arm("v2", share, role="candidate", version="2.0.0"))
    return Route("digits", None, arms, moving=moving, **more)


def pid_of(world: World) -> int:
    """The Envoy that is written down."""
    return int(json.loads((world.state / "gateway" / "envoy.json").read_text())["pid"])


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process holds its breath: it answers nothing and reads nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
