"""A webhook on loopback that keeps what it is sent: the other end of alerts. `status` is what it answers.

Neighbours: tests of alerts send to it through Apprise's `json://`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Receiver:
    """Where alerts arrive, in order."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[dict[str, Any]] = []
        self.refused = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if receiver.status == 200:
                    receiver.got.append(body)
                else:
                    receiver.refused += 1
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """As Apprise writes it."""
        return f"json://127.0.0.1:{self._server.server_address[1]}/hook"

    def about(self, word: str) -> list[dict[str, Any]]:
        """The messages with this word in their title."""
        return [one for one in self.got if word in one["title"]]

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook that takes everything."""
    one = Receiver()
    yield one
    one.close()
