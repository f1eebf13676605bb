"""A model server in miniature, for containers and processes: standard library only.

It serves on TIDEGATE_PORT. `/ready` 200 (503 with NOT_READY, unless that is a file that is there); `/env` its environment;
`/model` the artifact's bytes; `/write?PATH` tries to write there; `/say?TEXT` prints; `/exit?N` ends with that code;
`POST /` answers with the body.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = unquote(url.query)
        if url.path == "/ready":
            waits_for = os.environ.get("NOT_READY")
            self.answer(503 if waits_for and not os.path.exists(waits_for) else 200, b"{}")  # noqa: PTH110 no import needed for it
        elif url.path == "/env":
            self.answer(200, json.dumps({**os.environ, "uid": str(os.getuid()), "argv": sys.argv}).encode())
        elif url.path == "/model":
            with open(os.environ["TIDEGATE_ARTIFACT"], "rb") as file:  # noqa: PTH123 no import needed for it
                self.answer(200, file.read())
        elif url.path == "/write":
            try:
                with open(query, "ab") as file:  # noqa: PTH123
                    file.write(b"x")
                self.answer(200, b"written")
            except OSError as error:
                self.answer(500, str(error).encode())
        elif url.path == "/say":
            print(query, flush=True)
            self.answer(200, b"said")
        elif url.path == "/exit":
            self.answer(200, b"bye")
            self.wfile.flush()
            os._exit(int(query))
        else:
            self.answer(404, b"no such path")

    def do_POST(self) -> None:
        self.answer(200, self.rfile.read(int(self.headers.get("content-length", 0))))

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return


if __name__ == "__main__":
    if os.environ.get("IGNORE_TERM"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    host = os.environ.get("BIND", "0.0.0.0")
    server = ThreadingHTTPServer((host, int(os.environ["TIDEGATE_PORT"])), Handler)
    print("serving", *sys.argv[1:], flush=True)
    server.serve_forever()
