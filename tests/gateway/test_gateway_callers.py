"""Callers' keys, limits and bodies at a real Envoy: who gets in, who learns what, and what servers and record see of a key."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.backends import Load
from support.engine import eventually
from support.gateways import World, arm, split
from tidegate.gateway.model import Route
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.model import Segment

KEY, OTHER = "tide-0123456789abcdef-checkout", "tide-fedcba9876543210-batch"


def entry(key: str, name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), **more}


class Guarded:
    """A gateway with a file of callers, and the file."""

    def __init__(self, world: World, path: Path) -> None:
        self.world, self.path = world, path
        self.gateway: Gateway

    def write(self, keys: Sequence[Mapping[str, Any]] | None = None, **more: Any) -> None:
        """What the file says; JSON is YAML."""
        who = {"everybody": True} if keys is None else {"keys": list(keys)}
        self.path.write_bytes(orjson.dumps({"api": "tidegate/v1", "kind": "Callers", **who, **more}))

    def open(self, **settings: Any) -> Gateway:
        self.gateway = self.world.open(callers=str(self.path), **settings)
        self.gateway.start()
        return self.gateway

    def renew(self) -> bool:
        """As the controller does in each pass."""
        self.gateway.renew(time.time())
        return True


@pytest.fixture
def guarded(world: World, tmp_path: Path) -> Guarded:
    made = Guarded(world, tmp_path / "callers.yaml")
    made.write([entry(KEY, "checkout"), entry(OTHER, "batch", routes=["other", "digits/archive"])])
    return made


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def told(answer: Any) -> dict[str, Any]:
    """The body of an answer of the gateway's own, without what differs between two requests."""
    return {name: value for name, value in answer.json.items() if name != "request_id"}


def test_a_key_lets_in_and_goes_no_further_than_the_gateway(guarded: Guarded, world: World) -> None:
    gateway = guarded.open()
    shadow = arm("v3", 1_000_000, role="shadow")
    world.settle(gateway, split(500_000, shadow=shadow), Route("other", None, (arm("v1"),)))
    for wrong in ({}, bearer(KEY + "x"), bearer(""), {"x-api-key": "a" * 5000}, {"authorization": f"Basic {KEY}"}):
        for path in ("/digits/", "/nothing/", "/v1/chat/completions"):
            answer = world.ask(path, wrong, '{"model": "digits"}', method="TRACE" if path == "/nothing/" else None)
            assert answer.status == 401
            assert told(answer) == {"error": "this gateway needs a key that it knows"}
            assert answer.headers["www-authenticate"] == "Bearer"
    assert not any(world.backend(name).seen for name in ("v1", "v2", "v3"))
    forged = {
        "x-tidegate-caller": "admin",
        "x_tidegate_caller": "admin",
        "x-api-key": KEY,
        "authorization": "bearer " + KEY,
    }
    for headers in (bearer(KEY), {"x-api-key": KEY}, forged):
        answer = world.ask("/digits/", headers, "{}")
        assert answer.status == 200
        seen = answer.json["headers"]
        assert seen["x-tidegate-caller"] == "checkout"
        assert KEY not in str(seen)
        assert not {"authorization", "x-api-key", "x_tidegate_caller"} & seen.keys()
    assert eventually(lambda: world.backend("v3").seen == 3), "the copies"
    lines = world.lines(15 + 6)
    assert [line["caller"] for line in lines if line["status"] == 200 and line["role"] != "shadow"] == ["checkout"] * 3
    assert {(line["route"], line["caller"]) for line in lines if line["status"] == 401} == {(None, None)}


def test_a_key_for_some_routes_finds_nothing_else_whatever_way_it_asks(guarded: Guarded, world: World) -> None:
    gateway = guarded.open()
    archive = Route("digits", "archive", (arm("v2"),))
    world.settle(gateway, Route("digits", None, (arm("v1"),)), archive, Route("other", None, (arm("v3"),)))
    nothing = world.ask("/nothing/", bearer(OTHER), "{}")
    assert nothing.status == 404
    for path, headers, body in (
        ("/digits/", {}, "{}"),
        ("/digits/", {"x-tidegate-feature": "unknown"}, "{}"),
        ("/v1/chat/completions", {}, '{"model": "digits"}'),
        ("/other/../digits/", {}, "{}"),
        ("/other/%2e%2e/digits/", {}, "{}"),
        ("/other/..;/digits/", {}, "{}"),
        ("//digits/", {}, "{}"),
    ):
        answer = world.ask(path, bearer(OTHER) | headers, body)
        assert (answer.status, told(answer)) == (404, told(nothing))
        assert answer.headers.keys() - {"connection"} == nothing.headers.keys() - {"connection"}
    trace, unknown = (world.ask(path, bearer(OTHER), method="TRACE") for path in ("/digits/", "/nothing/"))
    assert (trace.status, told(trace)) == (unknown.status, told(unknown)) == (405, told(unknown))
    assert trace.headers.keys() == unknown.headers.keys()
    assert world.ask("/digits/", bearer(OTHER) | {"x-tidegate-feature": "archive"}, "{}").release == "v2"
    assert world.ask("/v1/chat/completions", bearer(OTHER), '{"model": "digits/archive"}').release == "v2"
    assert world.ask("/v1/chat/completions", bearer(OTHER), '{"model": "other"}').release == "v3"
    assert world.ask("/digits/", bearer(KEY), "{}").release == "v1"
    assert world.backend("v1").seen == 1
    lines = world.lines(12)
    assert {line["caller"] for line in lines if line["status"] == 404} == {"batch"}
    assert {line["route"] for line in lines if line["status"] == 404} == {None}


def test_what_is_said_of_a_key_lets_nobody_in_while_half_of_it_is_missing(guarded: Guarded, world: World) -> None:
    world.settle(guarded.open(), split(0))
    assert world.ask("/digits/", bearer(OTHER), "{}").status == 404
    file = world.state / "gateway" / "config" / "tidegate.callers.json"
    half = file.read_bytes().replace(rb"{\"batch\",", b"{nil,")
    assert half != file.read_bytes()
    fresh = file.with_name(".half")
    fresh.write_bytes(half)
    fresh.replace(file)
    eventually(lambda: world.ask("/digits/", bearer(OTHER), "{}").status != 404)
    assert world.ask("/digits/", bearer(OTHER), "{}").status == 401
    assert world.ask("/digits/", bearer(KEY), "{}").status == 200
    assert world.backend("v1").seen == 1


def test_segments_and_sticky_shares_go_by_the_caller_and_every_arm_keeps_its_own_parameters(
    guarded: Guarded, world: World
) -> None:
    gateway = guarded.open()
    inner = {"batch": Segment(header="x-tidegate-caller", values=("batch",))}
    arms = (arm("v1"), arm("v2", 0, segment_weights={"batch": 1_000_000}, body={"temperature": 0.5}))
    guarded.write([entry(KEY, "checkout"), entry(OTHER, "batch")])
    world.settle(gateway, Route("digits", None, arms, segments=inner, sticky="x-tidegate-caller", moving=True))
    guarded.renew()
    answer = eventually(lambda: found if (found := world.ask("/digits/", bearer(OTHER), "{}")).status == 200 else None)
    assert (answer.release, orjson.loads(answer.json["body"])) == ("v2", {"temperature": 0.5})
    answer = world.ask("/digits/", bearer(KEY), "{}")
    assert (answer.release, orjson.loads(answer.json["body"])) == ("v1", {})
    sessions = {line["caller"]: line["session"] for line in world.lines(2) if line["status"] == 200}
    assert len(set(sessions.values())) == 2


def test_keys_change_under_load_without_a_closed_connection_and_a_broken_file_changes_nothing(
    guarded: Guarded, world: World
) -> None:
    gateway = guarded.open()
    world.settle(gateway, split(0))
    with Load(world.port, "/digits/", clients=2, headers=bearer(KEY)) as load:
        load.wait_for(20)
        guarded.write([entry(KEY, "checkout"), entry("fresh-key", "search")])
        eventually(lambda: guarded.renew() and world.ask("/digits/", bearer("fresh-key"), "{}").status == 200)
        assert world.ask("/digits/", bearer(OTHER), "{}").status == 401
        guarded.path.write_text("api: tidegate/v1\nkind: Callers\n")
        with pytest.raises(NeedsPerson, match="it is not said who may call"):
            guarded.renew()
        guarded.path.unlink()
        with pytest.raises(NeedsPerson, match="callers' keys: cannot be read"):
            guarded.renew()
        load.wait_for(100)
        assert world.ask("/digits/", bearer("fresh-key"), "{}").status == 200
    assert load.failures == []
    assert {status for _, status, _ in load.answers} == {200}
    guarded.write([])
    eventually(lambda: guarded.renew() and world.ask("/digits/", bearer(KEY), "{}").status == 401)


def test_without_a_readable_file_of_keys_nobody_gets_in(guarded: Guarded, world: World) -> None:
    guarded.path.unlink()
    world.settle(guarded.open(), split(0))
    assert world.ask("/digits/", bearer(KEY), "{}").status == 401
    with pytest.raises(NeedsPerson, match="cannot be read: No such file"):
        guarded.renew()


def test_a_caller_and_a_route_over_their_limits_are_told_when_to_come_again(guarded: Guarded, world: World) -> None:
    slow = {"requests": 2, "per": "1m"}
    guarded.write(
        [entry(KEY, "checkout", limit=slow), entry(OTHER, "batch")],
        limits={"other": {"requests": 60, "per": "1h", "burst": 1}},
    )
    gateway = guarded.open()
    world.settle(gateway, split(0), Route("other", None, (arm("v1"),)))
    assert [world.ask("/digits/", bearer(KEY), "{}").status for _ in range(3)] == [200, 200, 429]
    over = world.ask("/other/", bearer(KEY), "{}")
    assert (over.status, over.headers["retry-after"]) == (429, "30")
    assert over.json["error"] == "too many requests: come again after as many seconds as Retry-After says"
    assert [world.ask("/digits/", bearer(OTHER), "{}").status for _ in range(3)] == [200] * 3
    assert [world.ask("/other/", bearer(OTHER), "{}").status for _ in range(2)] == [200, 429]
    assert world.ask("/other/", bearer(OTHER), "{}").headers["retry-after"] == "60"
    lines = [line for line in world.lines(9) if line["status"] == 429]
    assert {(line["caller"], line["release"]) for line in lines} == {("checkout", None), ("batch", None)}, (
        "no arm's fault"
    )


def test_limits_apply_where_everybody_may_call_and_headers_are_left_alone(guarded: Guarded, world: World) -> None:
    guarded.write(limits={"digits": {"requests": 1, "per": "1h"}})
    world.settle(guarded.open(), split(0))
    answer = world.ask("/digits/", bearer("of-the-server"), "{}")
    assert (answer.status, answer.json["headers"]["authorization"]) == (200, "Bearer of-the-server")
    assert world.ask("/digits/", {}, "{}").status == 429


def chunks(size: int) -> Any:
    yield from (b"x" * 1000 for _ in range(size // 1000))


def test_a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not(world: World) -> None:
    gateway = world.open(max_body="10k")
    gateway.start()
    world.settle(gateway, split(0))
    for size, status in ((10_000, 200), (11_000, 413)):
        for body in (b"x" * size, chunks(size)):
            answer = world.ask("/digits/", {}, body)
            assert answer.status == status
            if status == 200:
                assert int(answer.json["headers"].get("content-length", size)) == size
            else:
                assert answer.json["error"] == "the body has more than 10000 bytes"
    assert world.backend("v1").seen == 2
