"""Users of a gateway: a few clients on kept connections that ask at a bounded rate and keep every answer.

Neighbours: world.py opens them; backends.py has a client for single requests.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from support.engine import eventually

KEPT = 200_000


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. Times in epoch seconds; `status` 0 when none came, and `error` says why."""

    sent: float
    got: float
    status: int
    release: str | None = None
    body: bytes = b""
    error: str = ""
    request_id: str | None = None

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def version(self) -> str | None:
        """The version that the server says it is; None when something else answered."""
        try:
            found = self.json
        except ValueError:
            return None
        return found.get("version") if isinstance(found, dict) else None

    @property
    def received(self) -> Any:
        """The JSON body that reached the server."""
        return json.loads(self.json["received"])


class Traffic:
    """`clients` threads, each `pause` seconds between an answer and the next request. A context manager."""

    def __init__(
        self,
        port: int,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        clients: int = 3,
        pause: float = 0.02,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        self._port, self._path, self._pause = port, path, pause
        self._headers = {"content-type": "application/json", **(headers or {})}
        self._body = json.dumps(body if body is not None else {"inputs": [1]}).encode()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        self.replies: list[Reply] = []

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all clients, each after the answer that it waits for."""
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    def since(self, moment: float) -> list[Reply]:
        """Answers to requests sent since a moment (epoch seconds)."""
        return [reply for reply in list(self.replies) if reply.sent >= moment]

    def failed(self, since: float = 0.0) -> list[Reply]:
        """Those that are no 2xx, with what was said instead."""
        return [reply for reply in self.since(since) if not 200 <= reply.status < 300]

    def versions(self, since: float = 0.0) -> Counter[str | None]:
        """Answers by the version that gave them."""
        return Counter(reply.version for reply in self.since(since))

    def gone(self, version: str) -> float:
        """Until a version is not among the last hundred answers: whoever has a share of 20% is, but for one time in 10^9."""
        self.more(100)
        self.wait(lambda _: all(reply.version != version for reply in self.replies[-100:]))
        return time.time()

    def wait(self, holds: Callable[[Traffic], object], within: float = 120.0) -> None:
        """Until something holds; `within` tells a hang."""
        eventually(lambda: holds(self), timeout=within, every=0.02)

    def wait_for(self, version: str, since: float) -> float:
        """Until a version has answered a request sent since a moment; when the first such answer came (epoch seconds)."""
        self.wait(lambda _: any(reply.version == version for reply in self.since(since)))
        return min(reply.got for reply in self.since(since) if reply.version == version)

    def more(self, count: int = 20) -> None:
        """Until so many further answers came."""
        wanted = len(self.replies) + count
        self.wait(lambda _: len(self.replies) >= wanted)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop.is_set() and len(self.replies) < KEPT:
            self.replies.append(exchange(connection, self._path, self._headers, self._body))
            self._stop.wait(self._pause)
        connection.close()


def exchange(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """One request and its answer; a connection that broke is opened anew at the next."""
    sent = time.time()
    try:
        connection.request("POST", path, body=body, headers=dict(headers))
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Reply(sent, time.time(), 0, error=repr(error))
    release, request_id = (response.getheader(name) for name in ("x-tidegate-release", "x-request-id"))
    return Reply(sent, time.time(), response.status, release, content, request_id=request_id)
