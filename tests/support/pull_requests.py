"""A pull request's comments over real HTTP on loopback, as GitHub's API shows them to a step of Actions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-the-job"


@dataclass
class PullRequest:
    """What has been said in pull request 7 of team/models. `refuse`: status to answer writes with instead."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    refuse: int | None = None
    api: str = ""

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables of a step whose event is this pull request."""
        event = folder / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7}}))
        return {
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "team/models",
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": self.api,
        }

    def say(self, body: str) -> None:
        """A comment by somebody."""
        number = len(self.comments) + 1
        self.comments.append(
            {"id": number, "body": body, "url": f"{self.api}/repos/team/models/issues/comments/{number}"}
        )


@contextmanager
def pull_request() -> Iterator[PullRequest]:
    """The API while the block runs."""
    known = PullRequest()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            asked = parse_qs(split.query)
            size, page = int(asked["per_page"][0]), int(asked["page"][0])
            found = split.path == "/repos/team/models/issues/7/comments"
            self.answer(200 if found else 404, known.comments[(page - 1) * size : page * size] if found else {})

        def do_POST(self) -> None:
            body = self.body()
            if self.allowed("POST"):
                known.say(body["body"])
                self.answer(201, known.comments[-1])

        def do_PATCH(self) -> None:
            body = self.body()
            if self.allowed("PATCH"):
                target = next(c for c in known.comments if c["url"].endswith(self.path))
                target["body"] = body["body"]
                self.answer(200, target)

        def body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def allowed(self, method: str) -> bool:
            status = known.refuse if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401
            if status is None:
                known.writes.append(method)
                return True
            self.answer(status, {"message": "Resource not accessible by integration"})
            return False

        def answer(self, status: int, value: Any) -> None:
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.api = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
