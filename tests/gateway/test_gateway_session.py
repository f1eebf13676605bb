"""The record's `session`: which requests are of one user, and no word of who that is. Real Envoy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from support.gateways import World, arm, split
from support.written import written
from tidegate.gateway.model import Route
from tidegate.gateway.record import Cursor, RecordReader
from tidegate.gateway.supervisor import Gateway


def everything_written(root: Path) -> bytes:
    """All that the gateway has put on disk."""
    return b"".join(content for _, content in written(root))


@pytest.mark.parametrize("name", ["anna", "a", "Ü" * 40, "x" * 55, "y" * 56, "z" * 700])
def test_one_user_s_requests_have_one_session_that_does_not_name_them(
    world: World, gateway: Gateway, name: str
) -> None:
    world.settle(gateway, split(500_000, sticky="x-user-id"))
    user = name.encode().decode("latin-1")
    for _ in range(3):
        assert world.ask("/digits/", {"x-user-id": user}, "{}").status == 200
    salt = world.state / "gateway" / "salt"
    expected = hashlib.sha256(salt.read_bytes() + name.encode()).hexdigest()[:32]
    assert [line["session"] for line in world.lines(3)] == [expected] * 3
    assert salt.stat().st_mode & 0o777 == 0o600
    if len(name) > 1:
        assert name.encode() not in everything_written(world.state / "gateway")


def test_a_request_without_the_header_or_on_a_route_without_one_has_no_session(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0, sticky="x-user-id"), Route("plain", None, (arm("v3"),)))
    for headers in ({}, {"x-user-id": ""}):
        world.ask("/digits/", headers, "{}")
    world.ask("/plain/", {"x-user-id": "anna"}, "{}")
    lines = world.lines(3)
    assert [line["status"] for line in lines] == [200] * 3
    assert all("session" not in line for line in lines)


def test_a_session_outlives_a_restart_and_is_there_for_errors_and_routes_chosen_by_the_body(
    world: World, gateway: Gateway
) -> None:
    route = split(0, sticky="x-user-id")
    world.settle(gateway, route)
    world.ask("/digits/", {"x-user-id": "anna"}, "{}")
    world.ask("/v1/chat/completions", {"x-user-id": "anna"}, '{"model": "digits"}')
    gateway.stop(grace=1.0)
    again = world.open()
    again.start()
    world.settle(again, route)
    world.backend("v1").close()
    del world.backends["v1"]
    assert world.ask("/digits/", {"x-user-id": "anna"}, "{}").status == 503
    lines = RecordReader(world.state / "gateway" / "record" / "predictions.jsonl").read(Cursor())[0]
    assert len({line["session"] for line in world.lines(3)}) == 1, lines
