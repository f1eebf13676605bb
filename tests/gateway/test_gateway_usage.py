"""What answers say of themselves: the model's id and the tokens stand in the record, and no answer is held up for it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from support.engine import eventually
from support.gateways import World, arm
from tidegate.engine.figures import told
from tidegate.gateway.mirror import ANSWER_BYTES
from tidegate.gateway.model import Route, Upstream
from tidegate.gateway.record import Cursor, RecordReader
from tidegate.gateway.supervisor import Gateway

CHAT = "/digits/v1/chat/completions"
JSON = {"content-type": "application/json"}
USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}


@contextmanager
def server(kind: str, body: bytes, **headers: str) -> Iterator[Upstream]:
    """A server that answers every request with this."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            for name, value in {"content-type": kind, "content-length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            return

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Upstream("v1", (("127.0.0.1", httpd.server_address[1]),))
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def recorded(world: World, gateway: Gateway, kind: str, body: bytes, **headers: str) -> dict[str, Any]:
    """The line of one request that was answered so, and the answer came as it was."""
    with server(kind, body, **headers) as upstream:
        world.settle(gateway, Route("digits", None, (arm("v1", usage=True),)), v1=upstream)
        assert world.ask(CHAT, JSON, "{}").body == body
        [line] = world.lines(1)
    return {name: line.get(name) for name in ("served_model", "prompt_tokens", "completion_tokens")}


def events(*said: Any) -> bytes:
    """A stream of server-sent events."""
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in said) + b"data: [DONE]\n\n"


TRICK = '{"model":"other","usage":{"prompt_tokens":99}}'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps({"choices": [TRICK], "model": "gpt-x-1", "usage": USAGE}).encode()),
        ("application/json", b'{"model":"gpt-x-1","usage":{"input_tokens":12,"output_tokens":5}}'),
        ("text/event-stream", events({"model": "gpt-x-1", "choices": [TRICK]}, {"model": "gpt-x-1", "usage": USAGE})),
        (
            "text/event-stream; charset=utf-8",
            events(
                {"type": "message_start", "message": {"model": "gpt-x-1", "usage": {"input_tokens": 12}}},
                {"type": "message_delta", "usage": {"output_tokens": 5}},
            ),
        ),
        (
            "text/event-stream",
            events({"response": {"model": "gpt-x-1", "usage": {"input_tokens": 12, "output_tokens": 5}}}),
        ),
    ],
)  # fmt: skip
def test_model_and_tokens_of_an_answer_stand_in_the_record(
    world: World, gateway: Gateway, kind: str, body: bytes
) -> None:
    found = recorded(world, gateway, kind, body)
    assert found == {"served_model": "gpt-x-1", "prompt_tokens": 12, "completion_tokens": 5}


@pytest.mark.parametrize(
    ("kind", "body", "headers"),
    [
        ("application/json", b'{"model":"gp","flags":"x\\"}', {}),
        ("application/json", b'{"model":"a\\",\\"status\\":1","usage":{"prompt_tokens":"1","completion_tokens":-1}}', {}),
        ("application/json", b'[{"model":"gpt-x-1"}]', {}),
        ("application/json", b'{"model":"gpt-x-1"}', {"content_encoding": "br"}),
        ("text/plain", b'{"model":"gpt-x-1"}', {}),
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_might_forge_a_line_is_left_out(
    world: World, gateway: Gateway, kind: str, body: bytes, headers: dict[str, str]
) -> None:
    found = recorded(world, gateway, kind, body, **headers)
    assert found == dict.fromkeys(("served_model", "prompt_tokens", "completion_tokens"))


def test_a_stream_passes_piece_by_piece_and_an_event_may_come_in_two(world: World, gateway: Gateway) -> None:
    whole = b'{"model":"gpt-x-1","usage":{"prompt_tokens":12,"completion_tokens":5}}'
    with world.streaming("v1", [b"data: " + whole[:30], whole[30:] + b"\n\n"]) as stream:
        world.settle(gateway, Route("digits", None, (arm("v1", usage=True),)), v1=stream.upstream)
        connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=10)
        connection.request("POST", CHAT, b"{}", JSON)
        stream.send()
        response = connection.getresponse()
        assert response.read1() == b"data: " + whole[:30]
        stream.send()
        assert response.read() == whole[30:] + b"\n\n"
        connection.close()
    assert world.lines(1)[0]["status"] == 200


def test_an_answer_of_another_model_is_kept_back_where_the_release_takes_no_other(
    world: World, gateway: Gateway
) -> None:
    said = {"model": "gpt-x-2", "choices": ["secret"], "usage": USAGE}
    route = Route("digits", None, (arm("v1", usage=True, only="gpt-x-1"),))
    with server("application/json", json.dumps(said).encode()) as upstream:
        world.settle(gateway, route, v1=upstream)
        refused = world.ask(CHAT, JSON, "{}")
    assert refused.status == 409 and b"secret" not in refused.body
    told = json.loads(refused.body)
    assert (told["model"], told["expected"]) == ("gpt-x-2", "gpt-x-1")
    with server("application/json", json.dumps(said | {"model": "gpt-x-1"}).encode()) as upstream:
        world.settle(gateway, route, v1=upstream)
        assert eventually(lambda: world.ask(CHAT, JSON, "{}").status == 200)
    lines = world.lines(2)
    assert (lines[0]["status"], lines[0]["served_model"], lines[0]["prompt_tokens"]) == (409, "gpt-x-2", 12)
    assert lines[-1]["served_model"] == "gpt-x-1"


@pytest.mark.parametrize("only", [None, "another"])
def test_of_a_mirrored_request_both_kept_answers_say_their_tokens_and_a_refusal_stays_the_public_listener_s(
    world: World, gateway: Gateway, only: str | None
) -> None:
    body = json.dumps({"model": "m-1", "choices": [], "usage": USAGE}).encode()
    stream = events({"model": "m-2"}, *({"n": "x" * 1000} for _ in range(50)), {"model": "m-2", "usage": USAGE})
    assert len(stream) > ANSWER_BYTES
    with server("application/json", body) as one, server("text/event-stream", stream) as other:
        arms = arm("v1", usage=True, only=only), arm("v2", 0, role="candidate", usage=True)
        route = Route("digits", None, arms, moving=True, shadow=arm("v2", 1_000_000, role="shadow", usage=True))
        world.settle(gateway, route, v1=one, v2=replace(other, name="v2"))
        assert world.ask(CHAT, JSON, "{}").status == (200 if only is None else 409)
        reader = RecordReader(world.state / "gateway" / "answers" / "answers.jsonl")
        kept = eventually(lambda: found if len(found := reader.read(Cursor())[0]) == 2 else None)
    tokens = {"prompt_tokens": 12, "completion_tokens": 5}
    assert {line["role"]: (line["status"], told(line["usage"])) for line in kept} == {
        "stable": (200, {"served_model": "m-1", **tokens}),
        "shadow": (200, {"served_model": "m-2", **tokens}),
    }
    assert [line["served_model"] for line in world.lines(2) if line["role"] == "shadow"] == ["m-2"]
