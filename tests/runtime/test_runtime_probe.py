"""Readiness is a status code; everything else is a reason in words."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tidegate.runtime.probe import probe


@contextmanager
def server(answer: bytes | None) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """Answers one connection with these bytes; with None it stays silent. Also: what it was asked."""
    asked: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                if answer is None:
                    done.wait(10)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname(), asked
        done.set()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "ready", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", True, "200 OK"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True, "204 No Content"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"ready": false}', True, "200 OK"),
        (
            b"HTTP/1.1 503 Service Unavailable\r\n\r\nloading\n the model",
            False,
            "503 Service Unavailable: loading the model",
        ),
        (b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", False, "302 Found"),
        (b"HTTP/1.1 404\r\ncontent-length: 0\r\n\r\n", False, "404"),
    ],
)
def test_the_status_code_alone_decides(answer, ready, reason):
    with server(answer) as (address, asked):
        assert probe(address, "/v2/health/ready", 5) == (ready, reason)
    assert asked[0].startswith(b"GET /v2/health/ready HTTP/1.1\r\n")


def test_a_silent_server_is_not_ready_after_the_timeout():
    with server(None) as (address, _):
        assert probe(address, "/ready", 0.05) == (False, "no answer within 0.05 s")


def test_something_else_than_http_is_not_ready():
    with server(b"SSH-2.0-OpenSSH_9.2\r\n") as (address, _):
        ready, reason = probe(address, "/ready", 5)
    assert not ready
    assert "not HTTP" in reason


def test_a_port_that_nobody_listens_on_is_not_ready(unused_port):
    ready, reason = probe(("127.0.0.1", unused_port), "/ready", 5)
    assert not ready
    assert reason == f"no connection to 127.0.0.1:{unused_port}: Connection refused"


def test_no_proxy_is_asked(monkeypatch, unused_port):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port}")
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as (address, _):
        assert probe(address, "/ready", 5)[0]


def test_a_path_with_a_space_is_escaped():
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as (address, asked):
        assert probe(address, "/models/my model?x=1", 5)[0]
    assert asked[0].startswith(b"GET /models/my%20model?x=1 ")
