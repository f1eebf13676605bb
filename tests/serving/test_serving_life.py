"""How the server starts and ends: on loopback unless told otherwise, and never in the middle of an answer."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.engine import eventually
from support.model_server import ARTIFACTS, ROOT, ModelServer

Start = Callable[[Path, str], ModelServer]


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_term_finishes_the_request_in_flight_and_takes_no_new_one(start_server: Start) -> None:
    server = start_server(ARTIFACTS / "2.0.0/model.onnx", "2.0.0")
    scan = json.loads((ROOT / "models/digits/traffic/scans.jsonl").read_text().splitlines()[0])
    body = json.dumps(scan["input"]).encode()
    port = server.client.base_url.port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
        head = "POST /v2/models/digits/infer HTTP/1.1\r\nhost: digits\r\ncontent-type: application/json\r\n"
        caller.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:50])
        eventually(lambda: server.client.get("/v2/health/live").status_code == 200)  # the half request was read by now
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: _refuses(port))
        caller.sendall(body[50:])
        with caller.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
            assert f'"data":[{scan["expected"]["digit"]}]'.encode() in answer.read()
    assert server.process.wait(20) == 0


def test_an_idle_server_ends_at_once_on_term(start_server: Start) -> None:
    server = start_server(ARTIFACTS / "1.0.0/model.onnx", "1.0.0")
    assert server.client.get("/v2/health/ready").status_code == 200  # and its connection stays open
    assert server.stop() == 0


def test_it_listens_on_loopback_alone(digits_server: Callable[[str], ModelServer]) -> None:
    port = digits_server("2.0.0").client.base_url.port
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_an_address_in_use_is_said(serving_python: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = ["--name", "digits", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [serving_python, "-m", "tidegate_serving", "--artifact", ARTIFACTS / "1.0.0/model.onnx", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode != 0
    assert "address already in use" in done.stderr
