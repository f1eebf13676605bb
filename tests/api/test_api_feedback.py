"""Feedback over HTTP: who may send it, what the answer says, and what is too much. Real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tidegate.api.app import MAX_FEEDBACK, application
from tidegate.api.server import Server
from tidegate.spec.errors import NeedsPerson, RetryLater

TOKEN = "0123456789"
BEARER = {"authorization": f"Bearer {TOKEN}"}
NOTHING = {"version": 1, "accepted": 0, "duplicate": 0, "unknown": 0, "refused": 0}


class Taker:
    """What the engine would pass in: keeps the bodies, answers or raises as the test says."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answer: dict[str, Any] = {**NOTHING, "accepted": 1}
        self.raises: Exception | None = None
        self.waits: threading.Event | None = None

    def __call__(self, body: bytes) -> dict[str, Any]:
        if self.waits is not None:
            assert self.waits.wait(10)
        self.bodies.append(body)
        if self.raises is not None:
            raise self.raises
        return self.answer


@pytest.fixture
def taker() -> Taker:
    return Taker()


Serve = Callable[..., httpx.Client]


@pytest.fixture
def serve(taker: Taker) -> Iterator[Serve]:
    opened: list[tuple[Server, httpx.Client]] = []

    def start(tokens: tuple[str, ...] = (TOKEN,)) -> httpx.Client:
        app = application(
            hint=lambda: None, status=dict, healthy=lambda: None, ready=lambda: None, tokens=tokens, feedback=taker
        )
        server = Server(app, "127.0.0.1:0")
        server.start()
        opened.append((server, httpx.Client(base_url=f"http://{server.address}", trust_env=False)))
        return opened[-1][1]

    yield start
    for server, client in opened:
        client.close()
        server.stop()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({**NOTHING, "accepted": 2}, 200),
        ({**NOTHING, "duplicate": 2}, 200),
        ({**NOTHING, "accepted": 1, "unknown": 1}, 202),
        ({**NOTHING, "accepted": 1, "unknown": 1, "refused": 1}, 422),
    ],
)
def test_the_status_tells_whether_all_was_taken_in(
    serve: Serve, taker: Taker, answer: dict[str, Any], status: int
) -> None:
    taker.answer = answer
    found = serve().post("/api/feedback", content=b"[]", headers=BEARER)
    assert (found.status_code, found.json()) == (status, answer)
    assert taker.bodies == [b"[]"]


@pytest.mark.parametrize("header", [None, "", "Bearer wrong", "Basic 0123456789", TOKEN, "Bearer schlüssel"])
def test_without_a_token_nothing_is_taken(serve: Serve, taker: Taker, header: str | None) -> None:
    sent = {"authorization": header.encode("latin-1")} if header is not None else {}
    found = serve().post("/api/feedback", content=b"[]", headers=sent)
    assert found.status_code == 401
    assert found.headers["www-authenticate"] == "Bearer"
    assert taker.bodies == []


def test_where_no_token_is_set_nobody_may_send_any(serve: Serve, taker: Taker) -> None:
    found = serve(()).post("/api/feedback", content=b"[]", headers=BEARER)
    assert found.status_code == 503
    assert found.json() == {"error": "no token is configured for feedback", "fix": "set server.tokens in tidegate.yaml"}
    assert taker.bodies == []


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (NeedsPerson("the body is no JSON", fix="send JSON"), 400, {"error": "the body is no JSON", "fix": "send JSON"}),
        (NeedsPerson("the journal is damaged", where="f.db", fix="move it"), 503,
         {"error": "the journal is damaged", "fix": "move it"}),
        (RetryLater("the disk is full", where="f.db", delay=10), 503, {"error": "f.db: the disk is full"}),
    ],
)  # fmt: skip
def test_what_could_not_be_taken_in_is_told(
    serve: Serve, taker: Taker, error: Exception, status: int, told: dict[str, str]
) -> None:
    taker.raises = error
    found = serve().post("/api/feedback", content=b"[]", headers=BEARER)
    assert (found.status_code, found.json()) == (status, told)
    assert found.headers.get("retry-after") == ("10" if isinstance(error, RetryLater) else None)


def test_a_body_too_long_is_refused_whether_it_says_so_or_not(serve: Serve, taker: Taker) -> None:
    client = serve()
    assert client.post("/api/feedback", content=b" " * (MAX_FEEDBACK + 1), headers=BEARER).status_code == 413
    parts = (b" " * (1 << 20) for _ in range((MAX_FEEDBACK >> 20) + 1))
    assert client.post("/api/feedback", content=parts, headers=BEARER).status_code == 413
    assert taker.bodies == []


def test_it_is_sent_and_not_fetched(serve: Serve) -> None:
    assert serve().get("/api/feedback", headers=BEARER).status_code == 405


def test_one_that_takes_long_holds_up_nobody_else(serve: Serve, taker: Taker) -> None:
    taker.waits = threading.Event()
    client = serve()
    found: list[int] = []
    sender = threading.Thread(
        target=lambda: found.append(client.post("/api/feedback", content=b"[]", headers=BEARER).status_code)
    )
    sender.start()
    assert httpx.get(f"{client.base_url}/healthz", trust_env=False, timeout=5).status_code == 200
    taker.waits.set()
    sender.join(10)
    assert found == [200]
