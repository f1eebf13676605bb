"""A model server of one page: POST / answers JSON, GET /ready says when it may be called."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, value: dict[str, str]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer({"greeting": os.environ["GREETING"]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.answer({"greeting": os.environ["GREETING"]})

    def log_message(self, format: str, *args: object) -> None:
        pass


address = (os.environ.get("TIDEGATE_HOST", "127.0.0.1"), int(os.environ["TIDEGATE_PORT"]))
ThreadingHTTPServer(address, Handler).serve_forever()
