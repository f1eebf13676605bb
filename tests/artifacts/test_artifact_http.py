"""Artifacts over HTTP: a real server on loopback that behaves well, and in every bad way we know."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tidegate.artifacts.store import Store
from tidegate.spec.errors import NeedsPerson, RetryLater

WEIGHTS = b"weights " * 400_000
SHA = hashlib.sha256(WEIGHTS).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """`/model.onnx` the artifact; `/status/N/model.onnx` that status; other paths misbehave as they are called."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]  # set below
        kind = self.path.split("/")[1]
        match kind:
            case "status":
                self.reply(int(self.path.split("/")[2]), b"")
            case "redirect":
                self.send_response(302)
                self.send_header("location", "/model.onnx")
                self.send_header("content-length", "0")
                self.end_headers()
            case "cut":
                self.send_response(200)
                self.send_header("content-length", str(len(WEIGHTS)))
                self.end_headers()
                self.wfile.write(WEIGHTS[:1000])
                self.close_connection = True
            case "silent":
                self.send_response(200)
                self.send_header("content-length", str(len(WEIGHTS)))
                self.end_headers()
                self.wfile.write(WEIGHTS[:1000])
                self.wfile.flush()
                self.server.release.wait(20)  # type: ignore[attr-defined]  # set below
                self.close_connection = True
            case "private" if self.headers.get("authorization") != "Bearer token":
                self.reply(401, b"")
            case "short":
                self.reply(200, WEIGHTS[:5000])
            case "wrong":
                self.reply(200, b"something else")
            case _:
                self.reply(200, WEIGHTS)

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client may hang up in the middle: that is what is tested
            super().handle()

    def log_message(self, *args: object) -> None:
        return


class Server(ThreadingHTTPServer):
    """Keeps what it was asked, and knows when silence may end."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield found
        found.release.set()
        found.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache", {}, tmp_path)


@pytest.fixture(autouse=True)
def nothing_half_written(tmp_path):
    yield
    partial = tmp_path / "cache" / "partial"
    assert not partial.exists() or list(partial.iterdir()) == []


def test_an_artifact_is_fetched_once_and_checked(store, server):
    path = store.fetch(f"{server.url}/model.onnx?versionId=1", SHA, size=len(WEIGHTS))
    assert path.read_bytes() == WEIGHTS
    assert path.name == "model.onnx"
    assert store.fetch(f"{server.url}/model.onnx?versionId=1", SHA) == path
    assert [asked for asked, _ in server.asked] == ["/model.onnx?versionId=1"]


def test_the_bytes_are_asked_for_as_they_are_stored(store, server):
    store.fetch(f"{server.url}/model.onnx", SHA)
    assert server.asked[0][1]["Accept-Encoding"] == "identity"


def test_a_redirect_is_followed(store, server):
    assert store.fetch(f"{server.url}/redirect/model.onnx", SHA).read_bytes() == WEIGHTS


def test_options_of_the_store_reach_the_server(tmp_path, server):
    store = Store(tmp_path / "cache", {"http": {"headers": {"Authorization": "Bearer token"}}}, tmp_path)
    assert store.fetch(f"{server.url}/private/model.onnx", SHA).read_bytes() == WEIGHTS


def test_missing_credentials_need_a_person(store, server):
    with pytest.raises(NeedsPerson, match="refused: HTTP 401") as raised:
        store.fetch(f"{server.url}/private/model.onnx", SHA)
    assert "artifacts.stores" in (raised.value.fix or "")


@pytest.mark.parametrize("status", [404, 410, 403, 400])
def test_an_artifact_that_is_not_given_needs_a_person(store, server, status):
    with pytest.raises(NeedsPerson, match=f"HTTP {status}"):
        store.fetch(f"{server.url}/status/{status}/model.onnx", SHA)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_server_in_trouble_is_tried_again(store, server, status):
    with pytest.raises(RetryLater, match=f"HTTP {status}"):
        store.fetch(f"{server.url}/status/{status}/model.onnx", SHA)


def test_a_transfer_that_breaks_off_is_tried_again(store, server):
    with pytest.raises(RetryLater, match="broke off after"):
        store.fetch(f"{server.url}/cut/model.onnx", SHA)


def test_a_server_that_falls_silent_is_tried_again(tmp_path, server):
    store = Store(tmp_path / "cache", {"http": {"timeout": 0.2}}, tmp_path)
    with pytest.raises(RetryLater, match="no answer in time"):
        store.fetch(f"{server.url}/silent/model.onnx", SHA)


def test_a_server_that_is_down_is_tried_again(store, unused_port):
    with pytest.raises(RetryLater, match="out of reach"):
        store.fetch(f"http://127.0.0.1:{unused_port}/model.onnx", SHA)


def test_a_truncated_upload_needs_a_person(store, server):
    with pytest.raises(NeedsPerson, match=f"truncated: 5000 of {len(WEIGHTS)} bytes"):
        store.fetch(f"{server.url}/short/model.onnx", SHA, size=len(WEIGHTS))


def test_another_file_at_the_same_place_needs_a_person(store, server):
    with pytest.raises(NeedsPerson, match="wrong digest"):
        store.fetch(f"{server.url}/wrong/model.onnx", SHA)


def test_a_file_longer_than_declared_is_not_fetched_to_its_end(store, server):
    with pytest.raises(NeedsPerson, match="longer than the 100 bytes"):
        store.fetch(f"{server.url}/model.onnx", SHA, size=100)
