"""Mirroring: a copy of each request to a release that has no users yet, which touches nobody. Real Envoy, real servers."""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
from dataclasses import replace
from typing import Any

import pytest

from support.backends import Load
from support.engine import eventually
from support.gateways import World, arm
from tidegate.gateway import mirror
from tidegate.gateway.model import Arm, Route, Table, Upstream
from tidegate.gateway.record import Cursor, RecordReader
from tidegate.gateway.supervisor import Gateway


def shadow(share: int = 1_000_000, **more: Any) -> Arm:
    """Release `v2` as a shadow."""
    return arm("v2", share, role="shadow", version="2.0.0", **more)


def mirroring(share: int = 1_000_000, **more: Any) -> Route:
    """Route `digits`: v1 answers, v2 waits with weight 0 and gets the copies."""
    arms = (arm("v1", body={"parameters": {"theirs": 1}}), arm("v2", 0, role="candidate", version="2.0.0"))
    return Route("digits", None, arms, moving=True, shadow=shadow(share, body={"parameters": {"mine": 2}}), **more)


def answers(world: World, number: int) -> list[dict[str, Any]]:
    """The kept answers, as soon as there are so many."""
    reader = RecordReader(world.state / "gateway" / "answers" / "answers.jsonl")
    return eventually(lambda: found if len(found := reader.read(Cursor())[0]) >= number else None)


def copies(world: World, request_id: str) -> dict[str, Any] | None:
    """The shadow's kept answer to this request, once it is there."""
    lines = RecordReader(world.state / "gateway" / "answers" / "answers.jsonl").read(Cursor())[0]
    return next((line for line in lines if line["request_id"] == request_id and line["role"] == "shadow"), None)


def told(line: dict[str, Any]) -> Any:
    """What the backend answered, by a kept answer."""
    return json.loads(base64.b64decode(line["body"]))


def test_the_shadow_gets_the_client_s_own_body_with_its_own_parameters_and_the_same_request_id(
    world: World, gateway: Gateway
) -> None:
    world.settle(gateway, mirroring())
    body = '{"inputs":[9007199254740993],"parameters":{"own":0},"text":"\\"messages\\":[ ü"}'
    answer = world.ask("/digits/v2/models/m/infer?x=1", {"x-user": "anna", "content-type": "application/json"}, body)
    assert (answer.status, answer.release, answer.json["backend"]) == (200, "v1", "v1")
    assert json.loads(answer.json["body"])["parameters"] == {"own": 0, "theirs": 1}
    lines = {line["role"]: line for line in world.lines(2)}
    assert {line["request_id"] for line in lines.values()} == {answer.headers["x-request-id"]}
    assert (lines["shadow"]["release"], lines["shadow"]["version"], lines["shadow"]["route"]) == (
        "v2",
        "2.0.0",
        "digits",
    )
    assert lines["stable"]["release"] == "v1"
    kept = {line["role"]: line for line in answers(world, 2)}
    assert kept["shadow"]["request_id"] == kept["stable"]["request_id"] == answer.headers["x-request-id"]
    seen = told(kept["shadow"])
    assert seen["backend"] == "v2"
    assert seen["path"] == "/v2/models/m/infer?x=1"
    assert seen["headers"]["x-user"] == "anna"
    assert seen["body"] == body.replace('"own":0', '"own":0,"mine":2'), "nothing of the other release's parameters"
    assert seen["headers"]["content-length"] == str(len(seen["body"].encode()))
    assert told(kept["stable"]) == answer.json


def test_each_release_is_told_the_file_with_its_own_config_and_a_release_without_one_nothing(
    world: World, gateway: Gateway
) -> None:
    forged = {"x-tidegate-config": "mine", "X_Tidegate_Config": "mine"}
    own, other = arm("v1", file="default@a.json"), arm("v2", 0, role="candidate", file="default@b.json")
    for shown in (other, arm("v3", 0, role="candidate")):
        copied = replace(shown, role="shadow", weight=1_000_000)
        world.settle(gateway, Route("digits", None, (own, shown), moving=True, shadow=copied))
        answer = world.ask("/digits/", forged, "{}")
        kept = eventually(lambda of=answer.headers["x-request-id"]: copies(world, of))
        seen = told(kept)["headers"]
        assert (seen.get("x-tidegate-config"), "x_tidegate_config" in seen) == (shown.file, False)
        assert answer.json["headers"]["x-tidegate-config"] == "default@a.json", "as it was before the copy"
    world.settle(gateway, Route("digits", None, (replace(own, file=None),)))
    assert not {"x-tidegate-config", "x_tidegate_config"} & world.ask("/digits/", forged, "{}").json["headers"].keys()


@pytest.mark.parametrize("how", ["slow", "failing", "dead"])
def test_a_shadow_that_is_slow_failing_or_dead_touches_nobody(world: World, gateway: Gateway, how: str) -> None:
    if how == "dead":
        closed = world.backend("gone").address
        world.backends.pop("gone").close()
        world.settle(gateway, mirroring(), v2=Upstream("v2", (closed,)))
    else:
        world.settle(gateway, mirroring())
        world.backend("v2").delay = 30.0 if how == "slow" else 0.0
        world.backend("v2").status = 500
    with Load(world.port, "/digits/", clients=2) as load:
        began = time.monotonic()
        load.wait_for(60)
        assert time.monotonic() - began < 25.0, "the shadow takes half a minute for one"
    assert load.failures == []
    assert set(load.releases()) == {"v1"}
    if how != "slow":
        lines = [line for line in world.lines(120) if line["role"] == "shadow"]
        assert {line["status"] for line in lines} == {500 if how == "failing" else 503}


def test_what_the_candidate_has_answered_itself_is_not_sent_to_it_again(world: World, gateway: Gateway) -> None:
    route = mirroring()
    both = replace(route, arms=(replace(route.arms[0], weight=500_000), replace(route.arms[1], weight=500_000)))
    world.settle(gateway, both)
    for _ in range(60):
        world.ask("/digits/", body="{}")

    def recorded() -> dict[str, list[str]] | None:
        """The requests' ids by role, when each of the 60 has its line and as many copies as there should be have theirs.

        A copy's line can come before that of its request.
        """
        ids: dict[str, list[str]] = {"stable": [], "candidate": [], "shadow": []}
        for line in world.lines(60):
            ids[line["role"]].append(line["request_id"])
        clients = len(ids["stable"]) + len(ids["candidate"])
        return ids if clients == 60 and len(ids["shadow"]) >= len(ids["stable"]) else None

    found = eventually(recorded)
    mirrored = set(found["shadow"])
    assert mirrored == set(found["stable"])
    assert 10 < len(mirrored) < 50
    assert world.backend("v2").seen == 60, "each request once"


def test_a_share_is_mirrored_and_begins_and_ends_without_a_failed_request(world: World, gateway: Gateway) -> None:
    plain = replace(mirroring(), shadow=None)
    world.settle(gateway, plain)
    with Load(world.port, "/digits/", clients=3) as load:
        load.wait_for(30)
        for route in (mirroring(500_000), plain, mirroring(200_000)):
            world.settle(gateway, route)
            load.wait_for(100)
        second = world.open()  # another controller adopts it as it is
        second.start()
        before = world.backend("v2").seen
        world.settle(second, plain)
        eventually(lambda: second.apply(Table((world.upstream("v1"), world.upstream("v2")), (plain,))).done)
        load.wait_for(30)
        quiet = world.backend("v2").seen
        load.wait_for(100)
        assert world.backend("v2").seen == quiet
    assert load.failures == []
    assert 20 < before < 0.7 * len(load.answers)
    config = world.state / "gateway" / "config"
    eventually(lambda: second.apply(Table((world.upstream("v1"), world.upstream("v2")), (plain,)), frozenset()).done)
    eventually(lambda: mirror.parse_listeners((config / "listeners.json").read_bytes())[1] == {})


def test_a_stream_passes_chunk_by_chunk_and_its_answer_is_kept_up_to_a_size(world: World, gateway: Gateway) -> None:
    pieces = [b"data: one\n\n", b"data: two\n\n", b"x" * (2 * mirror.ANSWER_BYTES)]
    with world.streaming("v1", pieces) as stable, world.streaming("v2", pieces) as other:
        route = Route("digits", None, (arm("v1"),), shadow=shadow())
        world.settle(gateway, route, v1=stable.upstream, v2=other.upstream)
        connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=10)
        connection.request("POST", "/digits/v1/chat/completions", body=b'{"stream": true}')
        stable.send()
        response = connection.getresponse()
        assert response.read(len(pieces[0])) == pieces[0], "the first piece came before the second was sent"
        stable.send()
        assert response.read(len(pieces[1])) == pieces[1]
        stable.send()
        assert response.read() == pieces[2]
        connection.close()
        for _ in pieces:
            other.send()
        kept = answers(world, 2)
    whole = b"".join(pieces)
    for line in kept:
        assert line["size"] == len(whole)
        assert base64.b64decode(line["body"]) == whole[: mirror.ANSWER_BYTES]


def test_binary_answers_are_kept_byte_by_byte_and_an_empty_one_too(world: World, gateway: Gateway) -> None:
    raw = bytes(range(256)) * 4
    with world.streaming("v1", [raw]) as stable:
        world.settle(gateway, Route("digits", None, (arm("v1"),), shadow=shadow()), v1=stable.upstream)
        stable.send()
        assert world.ask("/digits/", body="{}").body == raw
        kept = next(line for line in answers(world, 2) if line["role"] == "stable")
    assert base64.b64decode(kept["body"]) == raw
    assert (kept["route"], kept["release"], kept["status"]) == ("digits", "v1", 200)
    world.settle(gateway, mirroring())
    assert world.ask("/digits/", method="HEAD").status in (200, 501)


def test_what_nobody_reads_is_bounded_and_what_is_left_out_is_counted(world: World, gateway: Gateway) -> None:
    world.settle(gateway, mirroring())
    assert world.ask("/digits/", body="{}").status == 200
    answers(world, 2)
    os.truncate(gateway.answers, mirror.MOST_ANSWERS)  # as after hours without a controller, but for the blocks on disk

    full = int(time.time())
    eventually(lambda: int(time.time()) > full + 1)  # the file is looked at once a second
    for _ in range(3):
        assert world.ask("/digits/", body="{}").status == 200
    eventually(lambda: world.backend("v2").seen >= 4)
    gateway.rotate_answers()

    def told() -> bool:
        world.ask("/digits/", body="{}")
        lines = RecordReader(gateway.answers).read(Cursor(inode=gateway.answers.stat().st_ino))[0]
        newest = {line["keeper"]: line["left_out"] for line in lines}  # each thread and listener tells of its own
        return sum(newest.values()) >= 6

    eventually(told)
    old = gateway.answers.with_name("answers.jsonl.000001")
    assert old.stat().st_size == mirror.MOST_ANSWERS
