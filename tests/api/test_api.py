"""The HTTP API over real sockets: what it answers, what it refuses, and that it stops."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tidegate.api.app import MAX_BODY, application
from tidegate.api.server import Server
from tidegate.spec.errors import NeedsPerson, RetryLater

SECRET = b"a shared secret"
TOKEN = "0123456789"


class Controller:
    """What the engine would pass in."""

    def __init__(self) -> None:
        self.hints = 0
        self.unwell: str | None = None
        self.unready: str | None = None
        self.fails = False

    def hint(self) -> None:
        self.hints += 1

    def status(self) -> dict[str, Any]:
        if self.fails:
            raise RetryLater("the journal is busy", where="journal.db", fix="wait")
        return {"version": 1, "routes": {"digits": {"stable": "2.0.0"}}}


@pytest.fixture
def controller() -> Controller:
    return Controller()


Serve = Callable[..., httpx.Client]


@pytest.fixture
def serve(controller: Controller) -> Iterator[Serve]:
    started: list[tuple[Server, httpx.Client]] = []

    def start(**options: Any) -> httpx.Client:
        app = application(
            hint=controller.hint,
            status=controller.status,
            healthy=lambda: controller.unwell,
            ready=lambda: controller.unready,
            **{"secret": SECRET, **options},
        )
        server = Server(app, "127.0.0.1:0")
        server.start()
        client = httpx.Client(base_url=f"http://{server.address}", trust_env=False)
        started.append((server, client))
        return client

    yield start
    for server, client in started:
        client.close()
        server.stop()


def signed(body: bytes, secret: bytes = SECRET) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()}


def test_a_signed_push_is_a_hint(serve: Serve, controller: Controller) -> None:
    body = json.dumps({"ref": "refs/heads/main"}).encode()
    answer = serve().post("/webhook", content=body, headers=signed(body))
    assert (answer.status_code, answer.json(), controller.hints) == (202, {"status": "noted"}, 1)


def test_the_signature_that_github_documents_is_accepted(serve: Serve, controller: Controller) -> None:
    client = serve(secret=b"It's a Secret to Everybody")
    known = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    answer = client.post("/webhook", content=b"Hello, World!", headers={"X-Hub-Signature-256": known})
    assert (answer.status_code, controller.hints) == (202, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": "sha256="},
        {"x-hub-signature-256": "sha256=" + "0" * 64},
        {"x-hub-signature-256": signed(b"body")["x-hub-signature-256"].removeprefix("sha256=")},
        {"x-hub-signature": "sha1=" + hmac.new(SECRET, b"body", hashlib.sha1).hexdigest()},
        signed(b"body", b"another secret"),
        signed(b"another body"),
        {"x-gitlab-token": SECRET.decode()},
    ],
)
def test_without_the_right_signature_nothing_happens(
    serve: Serve, controller: Controller, headers: dict[str, str]
) -> None:
    answer = serve().post("/webhook", content=b"body", headers=headers)
    assert (answer.status_code, controller.hints) == (401, 0)
    assert "signature" in answer.json()["error"]
    assert SECRET.decode() not in answer.text


def test_odd_bytes_in_the_signature_are_only_wrong(serve: Serve, controller: Controller) -> None:
    answer = serve().post("/webhook", content=b"body", headers=[(b"x-hub-signature-256", b"sha256=\xff\xe9")])
    assert (answer.status_code, controller.hints) == (401, 0)


@pytest.mark.parametrize("secret", [None, b""])
def test_without_a_secret_no_hook_is_taken_and_the_answer_says_why(
    serve: Serve, controller: Controller, secret: bytes | None
) -> None:
    answer = serve(secret=secret).post("/webhook", content=b"body", headers=signed(b"body", b""))
    assert (answer.status_code, controller.hints) == (503, 0)
    assert "server.webhook_secret" in answer.json()["fix"]


def test_a_body_too_long_is_refused_before_it_is_read(serve: Serve, controller: Controller) -> None:
    client = serve()
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port), timeout=5) as raw:
        raw.sendall(f"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: {MAX_BODY + 1}\r\n\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")

    def endless() -> Iterator[bytes]:
        for _ in range(MAX_BODY // 2**20 + 2):
            yield b"x" * 2**20

    try:
        code = client.post("/webhook", content=endless(), timeout=30).status_code
    except httpx.WriteError:  # the server has hung up on us, which is an answer too
        code = 413
    assert (code, controller.hints) == (413, 0)


def test_a_body_that_does_not_come_is_not_waited_for(
    serve: Serve, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.api.app.BODY_SECONDS", 0.1)
    client = serve()
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=5) as raw:
        raw.sendall(b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        assert raw.recv(100).startswith(b"HTTP/1.1 408 ")
    assert controller.hints == 0


def test_a_hook_is_posted_and_not_fetched(serve: Serve, controller: Controller) -> None:
    assert serve().get("/webhook").status_code == 405
    assert controller.hints == 0


def test_health_and_readiness_tell_the_reason(serve: Serve, controller: Controller) -> None:
    client = serve()
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    controller.unready = "the gateway is not up yet"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"error": "the gateway is not up yet"})
    assert client.get("/healthz").status_code == 200
    controller.unwell = "the loop has not turned for 60 s"
    assert client.get("/healthz").status_code == 503


def test_the_status_is_open_without_tokens(serve: Serve) -> None:
    answer = serve().get("/api/status")
    assert (answer.status_code, answer.json()["routes"]["digits"]["stable"]) == (200, "2.0.0")


@pytest.mark.parametrize(
    "header", [None, "", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer 012345678", f"Bearer {TOKEN}x"]
)
def test_the_status_needs_a_token_where_tokens_are_set(serve: Serve, header: str | None) -> None:
    client = serve(tokens=("other-token", TOKEN))
    answer = client.get("/api/status", headers={"authorization": header} if header is not None else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/api/status", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/healthz").status_code == 200


def test_a_status_that_cannot_be_read_says_why(serve: Serve, controller: Controller) -> None:
    controller.fails = True
    answer = serve().get("/api/status")
    assert answer.status_code == 503
    assert "the journal is busy" in answer.json()["error"]


def test_a_slow_status_holds_up_nobody_else(serve: Serve, controller: Controller) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow() -> dict[str, Any]:
        entered.set()
        assert leave.wait(10)
        return {}

    controller.status = slow  # type: ignore[method-assign]  # the engine's own callable
    client = serve()
    asking = threading.Thread(target=lambda: client.get("/api/status", timeout=10))
    asking.start()
    assert entered.wait(5)
    assert client.get("/healthz", timeout=5).status_code == 200
    leave.set()
    asking.join()


def test_a_port_in_use_is_named(controller: Controller) -> None:
    app = application(hint=controller.hint, status=controller.status, healthy=lambda: None, ready=lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(NeedsPerson, match="Address already in use") as caught:
            Server(app, address).start()
    assert caught.value.where == address
    assert "server.address" in str(caught.value.fix)
    with pytest.raises(NeedsPerson):
        Server(app, "127.0.0.1:99999").start()


def test_a_stopped_server_gives_the_port_back_and_can_start_again(controller: Controller) -> None:
    app = application(hint=controller.hint, status=controller.status, healthy=lambda: None, ready=lambda: None)
    server = Server(app, "127.0.0.1:0")
    server.start()
    address = server.address
    assert httpx.get(f"http://{address}/healthz", trust_env=False).status_code == 200
    server.stop()
    server.stop()
    again = Server(app, address)
    deadline = time.monotonic() + 60
    while True:
        try:
            again.start()
            break
        except NeedsPerson:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert again.address == address
    again.stop()
    assert not [t for t in threading.enumerate() if t.name == "tidegate-api"]


def test_an_address_may_be_ipv6(controller: Controller) -> None:
    app = application(hint=controller.hint, status=controller.status, healthy=lambda: None, ready=lambda: None)
    server = Server(app, "[::1]:0")
    server.start()
    try:
        assert server.address.startswith("[::1]:")
        assert httpx.get(f"http://{server.address}/healthz", trust_env=False).status_code == 200
    finally:
        server.stop()
