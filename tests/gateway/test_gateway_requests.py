"""Requests that are no plain JSON over HTTP/1.1, and those that mean harm: upgrades, smuggling, spoofing. Real Envoy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from support import http2
from support.gateways import World, arm, split
from tidegate.gateway.model import Route, Upstream
from tidegate.gateway.supervisor import Gateway

UPGRADE = (
    b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZQ==\r\n"
)


@pytest.fixture
def echo() -> Iterator[Upstream]:
    """A server that agrees to every upgrade, then sends back what comes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return  # the test is over
            with connection:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(1)
                connection.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
                )
                while piece := connection.recv(65536):
                    connection.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield Upstream("v1", (("127.0.0.1", int(listener.getsockname()[1])),), timeout=0.3)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def raw(world: World, *lines: bytes, body: bytes = b"", path: bytes = b"/digits/", method: bytes = b"POST") -> bytes:
    """The whole answer to a request of these header lines."""
    with socket.create_connection(("127.0.0.1", world.port), timeout=5) as client:
        client.sendall(b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"host: a", *lines, b"", body]))
        answer = client.recv(65536)
        while b"\r\n\r\n" not in answer and (more := client.recv(65536)):
            answer += more
        return answer


def test_a_websocket_passes_and_stays_open_beyond_the_time_for_an_answer(
    world: World, gateway: Gateway, echo: Upstream
) -> None:
    world.settle(gateway, Route("digits", None, (arm("v1"),)), v1=echo)
    with socket.create_connection(("127.0.0.1", world.port), timeout=5) as client:
        client.sendall(b"GET /digits/live HTTP/1.1\r\nhost: a\r\n" + UPGRADE + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 101 ")
        for number in range(8):
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.settimeout(5)
            frame = b"\x81\x85mask%d" % number
            client.sendall(frame)
            assert client.recv(65536) == frame
    assert world.lines(1)[0]["status"] == 101


def test_an_upgrade_does_not_get_past_the_inference_config(world: World, gateway: Gateway) -> None:
    world.settle(gateway, Route("digits", None, (arm("v1", body={"temperature": 0.2}),)))
    body = b'{"temperature": 2}'
    answer = raw(world, UPGRADE.rstrip(), b"content-length: %d" % len(body), body=body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert world.backend("v1").seen == 0


SMUGGLED = b"0\r\n\r\nGET /digits/smuggled HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        [b"content-length: 5", b"transfer-encoding: chunked"],
        [b"content-length: 5", b"content-length: 6"],
        [b"content-length: 5, 6"],
        [b"content-length: +5"],
        [b"content-length: 0x5"],
        [b"content-length : 5"],
        [b"transfer-encoding : chunked"],
        [b"transfer-encoding: xchunked"],
        [b"transfer-encoding: chunked, identity"],
        [b"transfer-encoding: identity, chunked"],
        [b"x-fold: a", b"\ttransfer-encoding: chunked", b"transfer-encoding:\x0bchunked"],
        [b"x-nul: a\x00b", b"content-length: 5"],
    ],
)
def test_a_request_whose_length_can_be_read_in_two_ways_reaches_no_server(
    world: World, gateway: Gateway, lines: list[bytes]
) -> None:
    world.settle(gateway, split(0))
    answer = raw(world, *lines, body=SMUGGLED)
    assert answer.split()[1] in (b"400", b"501"), answer
    assert b"digits" not in answer
    assert world.backend("v1").seen == 0


@pytest.mark.parametrize("path", [b"/digits/../other/x", b"//other/x", b"/digits/%2e%2e/other/x", b"/./other/x"])
def test_the_route_that_is_chosen_is_the_path_that_is_sent(world: World, gateway: Gateway, path: bytes) -> None:
    world.settle(gateway, split(0), Route("other", None, (arm("v3"),)))
    raw(world, path=path, method=b"GET")
    line = world.lines(1)[0]
    assert (line["route"], line["release"]) in (("other", "v3"), (None, None))
    assert world.backend("v1").seen == 0


def test_headers_that_steer_envoy_or_decide_arms_are_taken_from_callers(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    forged = {
        "x-envoy-retry-on": "5xx",
        "x-envoy-max-retries": "9",
        "x-envoy-original-path": "/forged",
        "x-envoy-upstream-alt-stat-name": "forged",
        "x-envoy-force-trace": "forged",
        "x-forwarded-for": "192.0.2.7",
        "x-tidegate-release": "v2",
    }
    world.backend("v1").status = 500
    answer = world.ask("/digits/", forged, "{}")
    assert (answer.status, answer.release, world.backend("v1").seen) == (500, "v1", 1)
    seen = answer.json["headers"]
    assert "forged" not in str(seen)
    assert not [name for name in seen if name.startswith("x-envoy-") and name in forged]
    assert seen["x-forwarded-for"].split(",")[-1] != "192.0.2.7", "the last address is the gateway's own word"


@pytest.mark.parametrize(
    ("lines", "body"),
    [([], b""), ([b"content-length: 2"], b"hi"), ([b"transfer-encoding: chunked"], b"2\r\nhi\r\n0\r\n\r\n")],
    ids=["plain", "body", "chunks"],
)
def test_trace_is_refused_since_a_server_would_show_what_the_gateway_adds(
    world: World, gateway: Gateway, lines: list[bytes], body: bytes
) -> None:
    world.settle(gateway, split(0))
    for path in (b"/digits/", b"/nothing/"):
        head, _, told = raw(world, *lines, body=body, method=b"TRACE", path=path).partition(b"\r\n\r\n")
        assert head.split()[1] == b"405" and b"allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" in head
        assert told.startswith(b'{"error":"TRACE is not answered here"')
    assert http2.exchange(world.port, http2.request(b"/digits/", method=b"TRACE"))[0] != b"\x88"
    assert world.backend("v1").seen == 0
    assert [(line["status"], line["release"]) for line in world.lines(3)] == [(405, None)] * 3, "no arm's fault"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_head_and_options_reach_the_server(world: World, gateway: Gateway, method: str) -> None:
    world.settle(gateway, Route("digits", None, (arm("v1", body={"temperature": 0.2}),)))
    assert world.ask("/digits/x", method=method).status in (200, 501)
    line = world.lines(1)[0]
    assert (line["release"], line["flags"]) == ("v1", None)
