"""Inference parameters in the request body: what the backend receives, which reads a body by its Content-Length alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.backends import Answer
from support.gateways import World, arm
from tidegate.gateway.model import Route
from tidegate.gateway.supervisor import Gateway

JSON = {"content-type": "application/json"}
PARAMETERS = {
    "temperature": 0.2,
    "seed": 7,
    "stop": ["\n\n", '100% "done"'],
    "greeting": "Grüße %START_TIME% %%",
    "nothing": None,
    "parameters": {"top_k": 3, "deep": {"a": True}},
}


def serve(world: World, gateway: Gateway, body: Mapping[str, Any] | None = PARAMETERS) -> None:
    """Route digits with these parameters on its one arm."""
    world.settle(gateway, Route("digits", None, (arm("v1", body=body),)))


def received(answer: Answer) -> Any:
    """The body that the backend read, having looked at Content-Length only."""
    assert answer.status == 200, answer.body
    assert "transfer-encoding" not in answer.json["headers"]
    return json.loads(answer.json["body"])


def test_parameters_are_merged_and_win_over_the_caller_s(world: World, gateway: Gateway) -> None:
    serve(world, gateway)
    body = received(world.ask("/digits/", JSON, json.dumps({"prompt": "hi", "temperature": 0.9, "seed": 1})))
    assert body == {"prompt": "hi"} | PARAMETERS


def test_objects_are_merged_member_by_member_at_every_depth(world: World, gateway: Gateway) -> None:
    serve(world, gateway)
    theirs = {"parameters": {"mine": 1, "top_k": 9, "deep": {"b": 2, "a": False}, "list": [1, {"x": "}"}]}}
    body = received(world.ask("/digits/", JSON, json.dumps(theirs)))
    assert body["parameters"] == {"mine": 1, "top_k": 3, "deep": {"b": 2, "a": True}, "list": [1, {"x": "}"}]}


def test_numbers_and_the_order_of_the_caller_s_body_stay_as_they_were_sent(world: World, gateway: Gateway) -> None:
    serve(world, gateway, {"seed": 12345678901234567890})
    text = '{"z": 9007199254740993, "a": [1.0, 2.50, 1e400], "ü": "\\u00fc\\"}"}'
    answer = world.ask("/digits/", JSON, text)
    expected = '{"z":9007199254740993,"a":[1.0, 2.50, 1e400],"ü":"\\u00fc\\"}","seed":12345678901234567890}'
    assert answer.json["body"] == expected
    assert int(answer.json["headers"]["content-length"]) == len(expected.encode())


def test_an_arm_without_parameters_leaves_the_body_alone(world: World, gateway: Gateway) -> None:
    serve(world, gateway, None)
    assert world.ask("/digits/", JSON, '{"a":  1 }').json["body"] == '{"a":  1 }'


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_without_a_body_pass(world: World, gateway: Gateway, method: str) -> None:
    serve(world, gateway)
    answer = world.ask("/digits/v2/health/ready", method=method)
    assert (answer.status, answer.json["body"], answer.json["path"]) == (200, "", "/v2/health/ready")


@pytest.mark.parametrize(
    "body", ["[1, 2]", '"text"', "{bad json", '{"a": 1} trailing', '{"a" 1}', '{"a": 1', "{,}", "not json", '{"a":}']
)
def test_a_body_that_is_no_json_object_passes_as_it_is(world: World, gateway: Gateway, body: str) -> None:
    serve(world, gateway)
    assert world.ask("/digits/", JSON, body).json["body"] == body


def test_an_object_is_merged_whatever_its_content_type_so_that_no_caller_escapes_the_configuration(
    world: World, gateway: Gateway
) -> None:
    serve(world, gateway, {"temperature": 0.2})
    for headers in ({}, {"content-type": "text/plain"}):
        assert received(world.ask("/digits/", headers, ' {"temperature": 2}\n'))["temperature"] == 0.2


@pytest.mark.parametrize(
    "body", ['{"temper\\u0061ture": 2}', '{"temperature": 2, "temperature": 3}', '{"temp\\u0065ratur\\u0065":2,"a":1}']
)
def test_spelling_a_key_otherwise_or_twice_does_not_get_round_the_configuration(
    world: World, gateway: Gateway, body: str
) -> None:
    serve(world, gateway, {"temperature": 0.2})
    answer = world.ask("/digits/", JSON, body)
    pairs = json.loads(answer.json["body"], object_pairs_hook=list)
    assert [value for key, value in pairs if key == "temperature"] == [0.2]


def test_a_compressed_body_is_refused_rather_than_served_as_another_release(world: World, gateway: Gateway) -> None:
    serve(world, gateway)
    answer = world.ask("/digits/", JSON | {"content-encoding": "gzip"}, b"\x1f\x8b")
    assert answer.status == 415
    assert "without Content-Encoding" in answer.json["error"]
    assert world.backend("v1").seen == 0


def test_binary_tensors_behind_the_json_stay_whole(world: World, gateway: Gateway) -> None:
    serve(world, gateway, {"parameters": {"k": 1}})
    head = b'{"inputs": []}'
    tail = bytes(range(128)) + b'{"'
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    told = world.ask("/digits/", headers, head + tail).json
    size = int(told["headers"]["inference-header-content-length"])
    body = told["body"].encode("utf-8", "surrogateescape")
    assert json.loads(body[:size]) == {"inputs": [], "parameters": {"k": 1}}
    assert body[size:] == tail


def test_a_chunked_request_reaches_the_backend_with_a_length(world: World, gateway: Gateway) -> None:
    import http.client

    serve(world, gateway, {"k": 1})
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=5)
    connection.request("POST", "/digits/", body=iter([b'{"a"', b": 1}"]), headers=JSON, encode_chunked=True)
    assert json.loads(json.loads(connection.getresponse().read())["body"]) == {"a": 1, "k": 1}
    connection.close()


def test_a_body_of_some_megabytes_is_merged_and_one_over_the_limit_gets_413(world: World, gateway: Gateway) -> None:
    serve(world, gateway, {"k": 1})
    data = list(range(600_000))
    assert received(world.ask("/digits/", JSON, json.dumps({"data": data}))) == {"data": data, "k": 1}
    answer = world.ask("/digits/", JSON, b'{"data": "' + b"x" * (65 * 1024 * 1024) + b'"}')
    assert (answer.status, answer.json["error"]) == (413, "Payload Too Large")


def test_two_configurations_of_one_release_s_containers_split_one_upstream(world: World, gateway: Gateway) -> None:
    old = arm("cfg1", 0, upstream="v1", body={"temperature": 0.1})
    new = arm("cfg2", 1_000_000, upstream="v1", role="candidate", body={"temperature": 0.7})
    world.settle(gateway, Route("digits", None, (old, new), moving=True))
    answer = world.ask("/digits/", JSON, "{}")
    assert (answer.release, received(answer)) == ("cfg2", {"temperature": 0.7})
    gateway.set_weights([Route("digits", None, (arm("cfg1", upstream="v1"), arm("cfg2", 0, upstream="v1")))])
    answer = world.ask("/digits/", JSON, "{}")
    assert (answer.release, received(answer)) == ("cfg1", {"temperature": 0.1})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def merged(theirs: Any, ours: Any) -> Any:
    """What the merge should give."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return theirs | {key: merged(theirs.get(key), value) for key, value in ours.items()}
    return ours


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    theirs=st.dictionaries(st.sampled_from("abcdefg"), VALUES, max_size=5),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_any_object_is_merged_as_json_says(
    world: World, gateway: Gateway, theirs: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    ours = {"a": 1, "b": {"x": [1], "y": {}}, "c": [], "h": {"deep": {"er": '\\"{'}}}
    if not gateway.active():
        serve(world, gateway, ours)
    text = json.dumps(theirs, ensure_ascii=ascii_only, indent=indent)
    assert received(world.ask("/digits/", JSON, text.encode())) == merged(theirs, ours)
