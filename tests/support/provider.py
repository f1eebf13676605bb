"""A provider's API on loopback, with TLS and a certificate of its own authority, that speaks OpenAI's protocol.

It answers those who bring its key, and keeps what it was asked. Neighbours: the tests of the gateway and of the engine.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def authority(folder: Path) -> Path:
    """Make an authority (ca.pem) and a server's certificate by it (server.pem, with its key) in this folder."""

    def run(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    (folder / "names").write_text(_NAMES)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority")
    run("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    run(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-out", "server.crt", "-days", "2", "-extfile", "names"),
    )
    (folder / "server.pem").write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())
    return folder / "ca.pem"


class Provider:
    """A context. `key`: who brings another gets 401; `header`: where it is looked for. `answers_as`: the model that it names.

    `asked`: each request's path, headers and body. `go`: what a stream waits for before its second event.
    """

    def __init__(
        self, folder: Path, key: str = "sk-test", header: str = "authorization", scheme: str = "Bearer "
    ) -> None:
        self.ca = authority(folder)
        self.key, self.header, self.scheme = key, header, scheme
        self.answers_as: str | None = None
        self.status = 200
        self.asked: list[dict[str, Any]] = []
        self.go = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    provider: Provider

    def handle_error(self, request: object, client_address: object) -> None:
        return  # a probe that has left is no news


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        """Answer as a provider does, or say that the key is none."""
        provider = self.server.provider
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        provider.asked.append({"path": self.path, "headers": headers, "body": body})
        if headers.get(provider.header) != f"{provider.scheme}{provider.key}":
            self._json(401, {"error": {"message": f"Incorrect API key provided: {headers.get(provider.header)}"}})
        elif provider.status != 200:
            self._json(provider.status, {"error": {"message": f"no model {body['model']}"}})
        elif body.get("stream"):
            self._stream(provider, str(provider.answers_as or body["model"]))
        else:
            usage = {"prompt_tokens": 12, "completion_tokens": 5}
            choice = {"index": 0, "message": {"role": "assistant", "content": "Ebb and flow."}}
            self._json(200, {"model": provider.answers_as or body["model"], "choices": [choice], "usage": usage})

    def _stream(self, provider: Provider, model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for word in ("Ebb", "flow"):
            event = {"model": model, "choices": [{"index": 0, "delta": {"content": word}}]}
            text = f"data: {json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            self.wfile.flush()
            provider.go.wait(60)
        self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def _json(self, status: int, value: dict[str, Any]) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.send_header("set-cookie", "account=acme")
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def log_message(self, *args: object) -> None:
        """Say nothing."""
