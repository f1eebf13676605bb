"""A release that is measured gets what users' requests become: asked of the real public gateway and of the release's own."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.engine import free_port
from support.gateways import World, arm
from tidegate.gateway.bootstrap import CAUSE_HEADER
from tidegate.gateway.front import front
from tidegate.gateway.model import Route, Upstream
from tidegate.gateway.render import CONFIG_HEADER
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.errors import NeedsPerson

JSON = {"content-type": "application/json"}
CONFIG = {
    "prompt": 'One "sentence".\n100 % Grüße',
    "examples": ({"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}),
    "file": "default@0123456789ab.json",
    "body": {"temperature": 0.2, "max_tokens": 9, "tools": [{"type": "function"}], "options": {"deep": {"a": 1}}},
}
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.sampled_from(("user", "system", "developer")), "content": TEXT}),
            max_size=3,
        ),
        "temperature": st.sampled_from((0.2, 0.9)),
        "max_completion_tokens": st.integers(1, 9),
        "options": st.just({"deep": {"b": 2}}),
        "instructions": TEXT,
    },
)


def ask(path: Path, target: str, body: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of one answer at a socket file."""
    connection = http.client.HTTPConnection("gateway")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request("POST", target, body.encode(), JSON)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("override", ["clamp", "allow", "reject"])
def test_what_a_measured_server_gets_is_what_users_requests_become(
    world: World, gateway: Gateway, override: str
) -> None:
    config: dict[str, Any] = CONFIG | {"override": override}
    world.settle(gateway, Route("digits", None, (arm("v1", **config),)))
    with front("digits", arm("v1", **config), world.upstream("v1"), None) as own:

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(body=BODIES, place=st.sampled_from(("chat/completions", "responses", "completions")))
        def same(body: dict[str, Any], place: str) -> None:
            target, text = f"/digits/v1/{place}", json.dumps(body)
            users = world.ask(target, JSON, text)
            status, _, said = ask(own, target, text)
            assert status == users.status
            seen = json.loads(said)
            if status == 200:
                assert (seen["body"], seen["path"]) == (users.json["body"], users.json["path"])
                assert {seen["headers"][CONFIG_HEADER], users.json["headers"][CONFIG_HEADER]} == {CONFIG["file"]}
            else:
                assert seen["error"] == users.json["error"]

        same()


def test_an_answer_of_the_gateway_itself_is_told_from_the_server_s(world: World) -> None:
    nobody = Upstream("v1", (("127.0.0.1", free_port()),))
    with front("digits", arm("v1"), nobody, None) as own:
        status, headers, _ = ask(own, "/digits/", "{}")
        assert (status, "UF" in headers[CAUSE_HEADER]) == (503, True)
    assert not own.exists()
    with front("digits", arm("v1"), world.upstream("v1"), None) as own:
        assert CAUSE_HEADER not in ask(own, "/digits/", "{}")[1]


def test_a_release_that_the_gateway_would_refuse_says_why(world: World) -> None:
    with (
        pytest.raises(NeedsPerson, match="the gateway does not take this release"),
        front("digits", arm("v1", body={"a": float("nan")}), world.upstream("v1"), None),
    ):
        raise AssertionError("it was taken")
