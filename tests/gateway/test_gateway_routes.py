"""What a client meets: real Envoy, real backends."""

from __future__ import annotations

import json
import socket
from collections import Counter

import pytest

from support.gateways import World, arm, split
from tidegate.gateway.model import Route, Upstream
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.model import Segment

pytestmark = pytest.mark.usefixtures("gateway")
JSON = {"content-type": "application/json"}


def test_the_model_s_path_is_taken_off_and_the_answer_names_release_and_request(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    answer = world.ask("/digits/v2/models/digits/infer?a=1", body="{}")
    assert answer.status == 200
    assert answer.json["path"] == "/v2/models/digits/infer?a=1"
    assert answer.release == "v1"
    assert answer.headers["x-request-id"] == answer.json["headers"]["x-request-id"]
    assert "x-tidegate-release" not in answer.json["headers"]


def test_the_split_follows_the_weights_and_a_share_below_one_percent_is_kept(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(300_000))
    seen = Counter(world.ask("/digits/").release for _ in range(400))
    assert 70 <= seen["v2"] <= 170  # 120 expected; 5 standard deviations
    world.settle(gateway, split(1))
    assert {world.ask("/digits/").release for _ in range(100)} == {"v1"}


def test_a_feature_is_chosen_by_its_exact_header_and_an_unknown_one_falls_to_the_model(
    world: World, gateway: Gateway
) -> None:
    world.settle(gateway, split(0), Route("digits", "archive", (arm("v0"),)))
    assert world.ask("/digits/", {"x-tidegate-feature": "archive"}).release == "v0"
    assert world.ask("/digits/", {"x-tidegate-feature": "archives"}).release == "v1"
    assert world.ask("/digits/").release == "v1"


def test_a_model_without_a_route_of_its_own_serves_its_features_only(world: World, gateway: Gateway) -> None:
    world.settle(gateway, Route("digits", "archive", (arm("v0"),)))
    assert world.ask("/digits/", {"x-tidegate-feature": "archive"}).release == "v0"
    answer = world.ask("/digits/")
    assert (answer.status, answer.json["error"]) == (404, "model digits is served to its features only")


@pytest.mark.parametrize(
    ("headers", "release"),
    [
        ({"x-user-group": "internal"}, "v2"),
        ({"x-user-group": "be.ta (new)"}, "v2"),
        ({"x-user-group": "beXta (new)"}, "v1"),
        ({"x-user-group": "internals"}, "v1"),
        ({"x-geo": "eu-west"}, "v2"),
        ({"x-geo": "us-eu-"}, "v1"),
        ({}, "v1"),
    ],
)
def test_a_segment_gets_its_own_weights(world: World, gateway: Gateway, headers: dict[str, str], release: str) -> None:
    segments = {
        "insiders": Segment(header="x-user-group", values=("internal", "be.ta (new)")),
        "eu": Segment(header="x-geo", prefix="eu-"),
    }
    all_of_it = {"insiders": 1_000_000, "eu": 1_000_000}
    arms = (arm("v1", segment_weights=dict.fromkeys(all_of_it, 0)), arm("v2", 0, segment_weights=all_of_it))
    world.settle(gateway, Route("digits", None, arms, segments))
    assert world.ask("/digits/", headers).release == release


def test_segments_are_tried_in_the_order_in_which_they_are_declared(world: World, gateway: Gateway) -> None:
    segments = {
        "zebra": Segment(header="x-a", values=("1",)),
        "ant": Segment(header="x-b", values=("1",)),
    }
    arms = (arm("v1", segment_weights={"ant": 0}), arm("v2", 0, segment_weights={"ant": 1_000_000}))
    world.settle(gateway, Route("digits", None, arms, segments))
    world.ask("/digits/", {"x-a": "1", "x-b": "1"})
    world.ask("/digits/", {"x-b": "1"})
    assert [(line["segment"], line["release"]) for line in world.lines(2)] == [("zebra", "v1"), ("ant", "v2")]


def test_a_sticky_user_never_goes_back_while_the_share_grows(world: World, gateway: Gateway) -> None:
    users = [f"user-{number}" for number in range(60)]

    def on_candidate(share: int) -> set[str]:
        world.settle(gateway, split(share, sticky="x-user-id"))
        first = {user: world.ask("/digits/", {"x-user-id": user}).release for user in users}
        second = {user: world.ask("/digits/", {"x-user-id": user}).release for user in users}
        assert first == second
        return {user for user in users if first[user] == "v2"}

    few, more = on_candidate(200_000), on_candidate(600_000)
    assert few < more
    assert len(more) < len(users)


def test_a_client_cannot_name_a_release_a_request_id_or_an_envoy_setting(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    world.backend("v1").headers["x-tidegate-release"] = "forged-by-backend"
    forged = {"x-tidegate-release": "forged", "x-request-id": "forged", "x-envoy-upstream-rq-timeout-ms": "1"}
    forged |= {"X_Request_Id": "forged", "x-request_id": "forged", "connection": "x-tidegate-release, x-request-id"}
    world.backend("v1").delay = 0.05
    answer = world.ask("/digits/", forged)
    assert (answer.status, answer.release) == (200, "v1")
    assert "forged" not in json.dumps(answer.json)
    line = world.lines(1)[0]
    assert line["release"] == "v1"
    assert line["request_id"] == answer.headers["x-request-id"] != "forged"


def test_an_unknown_path_gets_404_and_no_word_of_what_is_served(world: World, gateway: Gateway) -> None:
    empty = world.ask("/digits/")
    assert (empty.status, empty.json["error"]) == (404, "no model is served here yet")
    world.settle(gateway, split(0), Route("assistant", None, (arm("a1"),)))
    for path in ("/", "/digit/x", "/digits", "/other/"):
        answer = world.ask(path)
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/json"
        assert answer.json["error"] == "no model is served at this path"


def test_a_route_without_a_ready_instance_gets_503_that_names_it_and_the_record_knows_the_arm(
    world: World, gateway: Gateway
) -> None:
    world.settle(gateway, Route("digits", "archive", (arm("v1"),)), v1=Upstream("v1", ()))
    answer = world.ask("/digits/", {"x-tidegate-feature": "archive"})
    assert (answer.status, answer.json["route"], answer.release) == (503, "digits/archive", "v1")
    assert answer.json["error"] == "route digits/archive has no ready instance"
    assert answer.headers["content-type"] == "application/json"
    line = world.lines(1)[0]
    assert (line["status"], line["release"], line["role"], line["flags"]) == (503, "v1", "stable", "UH")


def test_a_route_with_no_release_at_all_gets_503_that_names_it(world: World, gateway: Gateway) -> None:
    world.settle(gateway, Route("digits", None, ()))
    answer = world.ask("/digits/")
    assert (answer.status, answer.json["error"]) == (503, "no release of route digits takes this request")


def test_a_dead_instance_beside_a_live_one_costs_no_request(world: World, gateway: Gateway) -> None:
    world.backend("v1")
    dead = world.backend("dead")
    dead.close()
    del world.backends["dead"]
    both = Upstream("v1", (dead.address, world.backend("v1").address))
    world.settle(gateway, split(0), v1=both)
    assert {world.ask("/digits/", body="{}").status for _ in range(40)} == {200}


def test_when_no_instance_can_be_reached_the_answer_says_so_soon(world: World, gateway: Gateway) -> None:
    dead = world.backend("v1")
    world.settle(gateway, split(0))
    dead.close()
    answer = world.ask("/digits/", body="{}")
    assert (answer.status, answer.json["error"]) == (503, "no instance of route digits could be reached")


def test_each_upstream_has_its_own_timeout(world: World, gateway: Gateway) -> None:
    for name in ("v1", "v2"):
        world.backend(name).delay = 0.4
    segments = {"candidate": Segment(header="x-arm", values=("v2",))}
    arms = (
        arm("v1", segment_weights={"candidate": 0}),
        arm("v2", 0, segment_weights={"candidate": 1_000_000}),
    )
    route = Route("digits", None, arms, segments)
    world.settle(gateway, route, v1=world.upstream("v1", timeout=5.0), v2=world.upstream("v2", timeout=0.1))
    assert world.ask("/digits/").status == 200
    late = world.ask("/digits/", {"x-arm": "v2"})
    assert (late.status, late.json["error"]) == (504, "route digits did not answer in time")


def test_many_requests_wait_at_once_without_being_turned_away(world: World, gateway: Gateway) -> None:
    world.backend("v1").delay = 1.0
    world.settle(gateway, split(0))
    request = b"GET /digits/ HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
    clients = [socket.create_connection(("127.0.0.1", world.port)) for _ in range(1100)]
    for client in clients:
        client.sendall(request)
    statuses = Counter()
    for client in clients:
        with client:
            client.settimeout(20)
            statuses[client.recv(64).split()[1]] += 1
    assert statuses == {b"200": 1100}


def test_http2_is_understood_on_the_same_port(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    with socket.create_connection(("127.0.0.1", world.port), timeout=5) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        assert client.recv(9)[3] == 4  # its SETTINGS frame


def test_a_client_that_knows_one_address_chooses_the_route_by_the_model_in_the_body(
    world: World, gateway: Gateway
) -> None:
    chat = Route("assistant", None, (arm("v1", body={"temperature": 0.2}, prompt="Be brief."),))
    world.settle(gateway, chat, Route("assistant", "archive", (arm("v2"),)), Route("digits", None, (arm("v3"),)))
    text = '{"messages":[], "model":"assistant","n":9007199254740993}'
    answer = world.ask("/v1/chat/completions?x=1", {"content-type": "application/json"}, text)
    assert (answer.status, answer.release, answer.json["path"]) == (200, "v1", "/v1/chat/completions?x=1")
    system = '{"role":"system","content":"Be brief."}'
    expected = f'{{"messages":[{system}],"model":"assistant","n":9007199254740993,"temperature":0.2}}'
    assert answer.json["body"] == expected
    assert world.ask("/v1/chat/completions", body='{"model": "assistant/archive"}').release == "v2"
    assert world.ask("/v1/embeddings", body='{"model": "digits"}').release == "v3"
    lines = {line["release"]: line for line in world.lines(3)}
    assert (lines["v2"]["route"], lines["v2"]["feature"]) == ("assistant/archive", "archive")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", '{"model": "other"}'),
        ("/v1/chat/completions", '{"model": "../digits"}'),
        ("/v1/chat/completions", '{"model": "digits/x/y"}'),
        ("/v1/chat/completions", '{"model": 7}'),
        ("/v1/chat/completions", '{"models": "digits"}'),
        ("/v1/chat/completions", '{"inner": {"model": "digits"}}'),
        ("/v1/chat/completions", "no json"),
        ("/v1/chat/completions", None),
        ("/v2/models/infer", '{"model": "digits"}'),
    ],
)
def test_a_body_that_names_no_model_served_here_gets_404_without_a_name(
    world: World, gateway: Gateway, path: str, body: str | None
) -> None:
    world.settle(gateway, split(0))
    answer = world.ask(path, body=body, method="POST")
    assert (answer.status, answer.json["error"]) == (404, "no model is served at this path")
    assert "digits" not in json.dumps(answer.json)
    (line,) = world.lines(1)
    assert (line["route"], line["status"]) == (None, 404)
