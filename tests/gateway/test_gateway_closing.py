"""A server that says keep-alive and closes the connection after its stream, as llama.cpp does. Real Envoy."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from support.backends import ask
from support.gateways import World, arm
from tidegate.gateway.model import Route, Upstream
from tidegate.gateway.supervisor import Gateway

STREAM = (
    b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=5, max=100\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n0\r\n\r\n"
)
REQUESTS = 300


@pytest.fixture
def closing() -> Iterator[tuple[str, int]]:
    """It closes in the worst moment of all: when the next request is on its way."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def one(connection: socket.socket) -> None:
        with connection:
            seen = b""
            while not seen.endswith(b"{}") and (piece := connection.recv(65536)):
                seen += piece
            connection.sendall(STREAM)
            connection.recv(1)

    def serve() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return  # the test is over
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield "127.0.0.1", int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_no_request_meets_a_connection_that_its_server_closes_unsaid(
    world: World, gateway: Gateway, closing: tuple[str, int]
) -> None:
    def statuses(requests: int) -> Counter[int]:
        return Counter(ask(world.port, "/digits/", body="{}").status for _ in range(requests))

    route = Route("digits", None, (arm("v1"),))
    world.settle(gateway, route, v1=Upstream("v1", (closing,)))
    assert statuses(10)[503] > 0, "this server is harmless"
    world.settle(gateway, route, v1=Upstream("v1", (closing,), keep_alive=False))
    assert statuses(REQUESTS) == {200: REQUESTS}
