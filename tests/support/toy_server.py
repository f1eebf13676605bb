"""The artifact of the end-to-end tests' models: a model server in the standard library, its behaviour told by variables.

VERSION stands in each answer; ERROR_RATE (0 to 1) of the answers are 500; LATENCY_MS is waited first; NOT_READY answers 503
on /ready; EXIT_AFTER seconds it prints its last words and ends with code 7; a `temperature` above FAIL_ABOVE is a 500, from
the body or from the inference config's file that a header names.
A body with a number `n` is asked for its `parity`: it is told wrong where n % 100 is below WRONG, and as NaN below NAN.
ASKED_LOG names a file that gets a line for each POST.
`POST` answers with what it received.
"""

import json
import os
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = os.environ["VERSION"]
ERROR_RATE = float(os.environ.get("ERROR_RATE", "0"))
LATENCY = float(os.environ.get("LATENCY_MS", "0")) / 1000
NOT_READY = bool(os.environ.get("NOT_READY"))
FAIL_ABOVE = float(os.environ.get("FAIL_ABOVE", "inf"))
WRONG = int(os.environ.get("WRONG", "0"))
NAN = int(os.environ.get("NAN", "0"))
ASKED_LOG = os.environ.get("ASKED_LOG")
EXIT_AFTER = os.environ.get("EXIT_AFTER")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self.answer(503 if NOT_READY else 200, {"version": VERSION})

    def do_POST(self) -> None:
        received = self.rfile.read(int(self.headers.get("content-length") or 0))
        if ASKED_LOG:
            with Path(ASKED_LOG).open("a") as log:
                log.write(VERSION + "\n")
        if LATENCY:
            time.sleep(LATENCY)
        file = self.headers.get("x-tidegate-config")
        config = (Path(os.environ["TIDEGATE_CONFIGS"]) / file).read_bytes() if file else b""
        told = {"version": VERSION, "pid": os.getpid(), "path": self.path, "file": file, "config": config.decode()}
        if random.random() < ERROR_RATE or too_warm(received) or too_warm(config):
            self.answer(500, told | {"error": "as asked"})
            return
        told["received"] = received.decode()
        self.answer(200, told | parity(received))

    def answer(self, status: int, value: dict[str, object]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args: object) -> None:
        return


def too_warm(body: bytes) -> bool:
    """Whether a parameter `temperature` came that is above FAIL_ABOVE."""
    return b"temperature" in body and json.loads(body)["parameters"]["temperature"] > FAIL_ABOVE


def parity(body: bytes) -> dict[str, object]:
    """The answer to a number `n`, nothing without one."""
    try:
        number = json.loads(body)["n"]
    except (ValueError, KeyError, TypeError):
        return {}
    if number % 100 < NAN:
        return {"parity": float("nan")}
    return {"parity": (number + (number % 100 < WRONG)) % 2}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        return  # a client that has left is no news


def end() -> None:
    print("cannot go on: the licence has run out", file=sys.stderr, flush=True)
    os._exit(7)


if __name__ == "__main__":
    if EXIT_AFTER is not None and float(EXIT_AFTER) == 0:
        end()
    if EXIT_AFTER is not None:
        threading.Timer(float(EXIT_AFTER), end).start()
    server = Server((os.environ.get("BIND", "127.0.0.1"), int(os.environ["TIDEGATE_PORT"])), Handler)
    print("serving", VERSION, flush=True)
    server.serve_forever()
