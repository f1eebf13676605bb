"""Requests over HTTP/2 that a server behind HTTP/1.1 could read in another way, and tunnels. Real Envoy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from support import http2
from support.gateways import World, arm, split
from tidegate.gateway.model import Route
from tidegate.gateway.supervisor import Gateway

OK = b"\x88"
BODY = b"GET /digits/smuggled HTTP/1.1\r\nhost: a\r\n\r\n"


def test_a_sound_request_over_http2_is_answered(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    length = (b"content-length", str(len(BODY)).encode())
    assert http2.exchange(world.port, http2.request(b"/digits/", length), BODY) == (OK, None)
    assert http2.exchange(world.port, http2.request(b"/digits/", method=b"GET")) == (OK, None)
    assert world.backend("v1").seen == 2
    assert [line["release"] for line in world.lines(2)] == ["v1", "v1"]


AMBIGUOUS: list[http2.Fields] = [
    http2.request(b"/digits/", (b"content-length", b"1")),
    http2.request(b"/digits/", (b"content-length", b"500")),
    http2.request(b"/digits/", (b"content-length", b"0"), (b"content-length", b"43")),
    http2.request(b"/digits/", (b"transfer-encoding", b"chunked")),
    http2.request(b"/digits/", (b"connection", b"transfer-encoding")),
    http2.request(b"/digits/", (b"x-a", b"b\r\ncontent-length: 0\r\n\r\nGET /digits/smuggled HTTP/1.1")),
    http2.request(b"/digits/", (b"x-a\r\ncontent-length", b"0")),
    http2.request(b"/digits/", (b"x-a: b\r\nc", b"d")),
    http2.request(b"/digits/ HTTP/1.1\r\nhost: b\r\n\r\nGET /digits/smuggled"),
    http2.request(b"/digits/", method=b"POST /digits/smuggled HTTP/1.1\r\nx:"),
    http2.request(b"/digits/", (b"X-Upper", b"a")),
    http2.request(b"/digits/", (b":path", b"/other/")),
    http2.request(b"/digits/", (b":made-up", b"a")),
    (*http2.request(b"/digits/"), (b"x-a", b"b"), (b":authority", b"b")),
    http2.request(b"/digits/")[:2],
    http2.request(b"digits/"),
    http2.request(b""),
    http2.request(b"/digits/", (b"te", b"gzip")),
]


def test_what_could_be_read_in_two_ways_behind_http2_reaches_no_server(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0), Route("other", None, (arm("v3"),)))
    with ThreadPoolExecutor(len(AMBIGUOUS)) as clients:  # Envoy takes a second to close a connection
        answers = list(clients.map(lambda head: http2.exchange(world.port, head, BODY)[0], AMBIGUOUS))
    assert [head for head, answer in zip(AMBIGUOUS, answers, strict=True) if answer == OK] == []
    assert world.backend("v1").seen == world.backend("v3").seen == 0
    assert world.ask("/digits/").status == 200, "the gateway serves on"


def test_headers_that_steer_are_taken_from_callers_over_http2_too(world: World, gateway: Gateway) -> None:
    world.backend("v1").delay = 0.05
    world.settle(gateway, split(0))
    forged = (b"x-tidegate-release", b"v2"), (b"x-envoy-upstream-rq-timeout-ms", b"1"), (b"x-tidegate-caller", b"admin")
    answer, _ = http2.exchange(world.port, http2.request(b"/digits/", *forged, method=b"GET"))
    assert answer == OK
    assert world.lines(1)[0]["release"] == "v1"


def test_no_tunnel_is_opened(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    assert world.ask("/digits/", method="CONNECT").status == 400
    assert http2.exchange(world.port, http2.request(b"/digits/", method=b"CONNECT"))[0] != OK
    assert world.backend("v1").seen == 0
