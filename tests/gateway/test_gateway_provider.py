"""Requests to a provider's API: over TLS, its credential alone, the release's model; refusals say whose fault it is."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.engine import eventually
from support.gateways import World, arm
from support.provider import Provider
from tidegate.gateway.front import front
from tidegate.gateway.model import Link, Route, Table, Upstream
from tidegate.gateway.provider import secret_file
from tidegate.gateway.supervisor import Gateway

JSON = {"content-type": "application/json"}
CHAT = "/digits/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Tides?"}], "model": "mine", "n": 12345678901234567890}


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with Provider(tmp_path) as made:
        yield made


def link_to(provider: Provider, folder: Path, host: str = "localhost", **more: object) -> Link:
    """The way there, with its credential written."""
    secret = folder / "secret.json"
    secret.write_bytes(secret_file(f"{provider.scheme}{provider.key}"))
    link = Link(
        provider="openai", host=host, port=provider.port, base="/v1", query="", paths=("/v1/chat/completions",),
        model="gpt-4o-2024-08-06", header=provider.header, headers=(("x-version", "7"),),
        passes=("content-type", "content-length", "accept", "x-request-id"), ca_file=str(provider.ca),
        credential=str(secret),
    )  # fmt: skip
    return replace(link, **more)  # type: ignore[arg-type]  # by name, as the caller gives them


def serve(world: World, gateway: Gateway, link: Link, **more: object) -> Table:
    """A route `digits` that the provider serves."""
    route = Route("digits", None, (arm("v1", link=link, usage=True, **more),))
    return world.settle(gateway, route, v1=Upstream("v1", ((link.host, link.port),), link=link))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_request_brings_the_provider_its_own_credential_and_nothing_of_the_caller(
    world: World, gateway: Gateway, provider: Provider, tmp_path: Path, host: str
) -> None:
    link = link_to(provider, tmp_path, host, base="/openai/deployments/d", query="?api-version=1")
    serve(world, gateway, link, body={"temperature": 0.2}, prompt="Be brief.")
    mine = {
        "authorization": "Bearer mine",
        "x-api-key": "mine",
        "cookie": "a=mine",
        "x-user-id": "u1",
        "forwarded": "x",
    }
    answer = world.ask(f"{CHAT}?api-version=mine", JSON | mine, json.dumps(BODY))
    assert answer.status == 200 and answer.headers["x-tidegate-release"] == "v1" and "set-cookie" not in answer.headers
    [asked] = provider.asked
    assert asked["path"] == "/openai/deployments/d/chat/completions?api-version=1"
    assert asked["body"]["model"] == "gpt-4o-2024-08-06" and asked["body"]["temperature"] == 0.2
    assert asked["body"]["n"] == BODY["n"] and asked["body"]["messages"][0] == {
        "role": "system",
        "content": "Be brief.",
    }
    sent = asked["headers"]
    assert sent["authorization"] == "Bearer sk-test" and sent["host"] == f"{host}:{provider.port}"
    assert sent.keys() == {
        "host", "authorization", "content-type", "content-length", "x-request-id", "x-version", "user-agent",
    }  # fmt: skip
    [line] = world.lines(1)
    assert (line["served_model"], line["prompt_tokens"], line["completion_tokens"]) == ("gpt-4o-2024-08-06", 12, 5)
    assert line["request_id"] == sent["x-request-id"]
    _, dump = gateway._admin.call("GET", "/config_dump?include_eds")  # what whoever may look at Envoy is told
    assert b"sk-test" not in dump and b"gpt-4o-2024-08-06" in dump


def test_what_the_provider_refuses_is_not_the_callers_fault(
    world: World, gateway: Gateway, provider: Provider, tmp_path: Path
) -> None:
    serve(world, gateway, link_to(provider, tmp_path))
    provider.key = "another"
    refused = world.ask(CHAT, JSON, json.dumps(BODY))
    assert refused.status == 502 and b"sk-test" not in refused.body
    assert "openai refuses the credential of this release (401)" in json.loads(refused.body)["error"]
    provider.key, provider.status = "sk-test", 404
    unknown = world.ask(CHAT, JSON, json.dumps(BODY))
    assert unknown.status == 502 and "does not know the model" in json.loads(unknown.body)["error"]
    provider.status = 429
    assert world.ask(CHAT, JSON, json.dumps(BODY)).status == 429
    assert [line["status"] for line in world.lines(3)] == [502, 502, 429]


@pytest.mark.parametrize(
    ("status", "method", "path", "headers", "body"),
    [
        (405, "GET", "/digits/v1/models", {}, None),
        (405, "DELETE", "/digits/v1/chat/completions", {}, None),
        (404, "POST", "/digits/v1/files", {}, "{}"),
        (404, "POST", "/digits/v1/chat/completions/../files", {}, "{}"),
        (400, "POST", CHAT, {}, "[1]"),
        (400, "POST", CHAT, {}, None),
        (400, "POST", CHAT, {"upgrade": "websocket", "connection": "upgrade"}, "{}"),
        (415, "POST", CHAT, {"content-encoding": "gzip"}, "{}"),
    ],
)
def test_nothing_but_calls_of_the_model_gets_to_the_provider(
    world: World, gateway: Gateway, provider: Provider, tmp_path: Path,
    status: int, method: str, path: str, headers: dict[str, str], body: str | None,
) -> None:  # fmt: skip
    serve(world, gateway, link_to(provider, tmp_path))
    answer = world.ask(path, JSON | headers, body, method=method)
    assert answer.status == status and provider.asked == []


def test_a_stream_of_a_provider_is_not_held_up(
    world: World, gateway: Gateway, provider: Provider, tmp_path: Path
) -> None:
    serve(world, gateway, link_to(provider, tmp_path))
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=60)
    connection.request("POST", CHAT, json.dumps(BODY | {"stream": True}), JSON)
    answer = connection.getresponse()
    assert b"Ebb" in answer.readline()  # the rest is yet to be sent
    provider.go.set()
    assert answer.read().endswith(b"data: [DONE]\n\n")
    connection.close()
    assert world.lines(1)[0]["served_model"] == "gpt-4o-2024-08-06"


def test_a_provider_with_a_certificate_of_another_authority_or_name_gets_no_credential(
    world: World, gateway: Gateway, provider: Provider, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with Provider(other) as stranger:
        serve(world, gateway, link_to(provider, tmp_path, ca_file=str(stranger.ca)))
        assert world.ask(CHAT, JSON, json.dumps(BODY)).status == 503
    serve(world, gateway, link_to(provider, tmp_path, host="127.0.0.2"))  # it listens there too, by another name
    eventually(lambda: world.ask(CHAT, JSON, json.dumps(BODY)).status == 503)
    assert provider.asked == []


def test_a_release_of_a_provider_is_mirrored_and_its_shadow_gets_the_callers_own_body(
    world: World, gateway: Gateway, provider: Provider, tmp_path: Path
) -> None:
    link = link_to(provider, tmp_path)
    shadow = arm("v2", link=link, usage=True, role="shadow", body={"temperature": 0.9})
    route = Route(
        "digits",
        None,
        (arm("v1", body={"temperature": 0.1}), replace(shadow, role="candidate", weight=0)),
        shadow=shadow,
    )
    world.settle(gateway, route, v2=Upstream("v2", ((link.host, link.port),), link=link))
    answer = world.ask(CHAT, JSON | {"authorization": "Bearer mine"}, json.dumps(BODY))
    received = json.loads(answer.body)
    assert received["headers"]["authorization"] == "Bearer mine" and json.loads(received["body"])["temperature"] == 0.1
    [asked] = eventually(lambda: provider.asked)
    assert asked["body"]["temperature"] == 0.9 and asked["body"]["model"] == "gpt-4o-2024-08-06"
    assert asked["headers"]["authorization"] == "Bearer sk-test" and asked["path"] == "/v1/chat/completions"
    lines = {line["role"]: line for line in world.lines(2)}
    assert lines["shadow"]["prompt_tokens"] == 12 and lines["shadow"]["request_id"] == lines["stable"]["request_id"]


def test_a_new_credential_is_taken_without_a_restart(
    world: World, gateway: Gateway, provider: Provider, tmp_path: Path
) -> None:
    link = link_to(provider, tmp_path)
    serve(world, gateway, link)
    provider.key = "sk-new"
    assert world.ask(CHAT, JSON, json.dumps(BODY)).status == 502
    fresh = tmp_path / "fresh"
    fresh.write_bytes(secret_file("Bearer sk-new"))
    fresh.replace(link.credential)
    eventually(lambda: world.ask(CHAT, JSON, json.dumps(BODY)).status == 200)


def test_a_release_is_measured_at_its_provider_as_users_will_reach_it(provider: Provider, tmp_path: Path) -> None:
    link = link_to(provider, tmp_path)
    made = arm("v1", link=link, usage=True, prompt="Be brief.")
    with front("digits", made, Upstream("v1", ((link.host, link.port),), link=link), None) as path:
        connection = http.client.HTTPConnection("gateway")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request("POST", CHAT, json.dumps(BODY), JSON)
        assert connection.getresponse().status == 200
        connection.close()
    [asked] = provider.asked
    assert asked["headers"]["authorization"] == "Bearer sk-test" and asked["body"]["model"] == "gpt-4o-2024-08-06"
    assert asked["body"]["messages"][0] == {"role": "system", "content": "Be brief."}
