"""Measuring in a child: given up in time, on demand, and with whoever asked for it; a connection that breaks is tried again."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from support.engine import eventually
from tidegate.evaluation.job import Job, Target
from tidegate.evaluation.process import Cancelled, measure, run_command
from tidegate.spec.errors import NeedsPerson, RetryLater

CONTROLLER = Path(__file__).parents[2] / "controller"


class Server(socketserver.ThreadingUnixStreamServer):
    """Says what it was told; `breaks` of its answers are no answer at all; `pause` before each."""

    daemon_threads = True

    request_queue_size = 64

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.path = path
        self.asked: list[Any] = []
        self.breaks = 0
        self.pause = 0.0
        self.most = self.now = 0
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        return


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        with server.lock:
            server.now += 1
            server.most = max(server.most, server.now)
            server.asked.append(json.loads(body))
            broken, server.breaks = server.breaks > 0, server.breaks - 1
        time.sleep(server.pause)
        with server.lock:
            server.now -= 1
        if broken:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path / "gateway.sock")
    thread = threading.Thread(target=found.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def job(server: Server | None, path: Path, count: int = 40, **more: Any) -> Job:
    lines = [json.dumps({"input": {"n": number}, "expected": {"n": number}}) for number in range(count)]
    path.write_text("\n".join(lines))
    gateway = server.path if server else path.with_name("nobody.sock")
    return Job(Target(str(gateway), "http", "m"), str(path), "ab" * 32, **more)


def never() -> bool:
    return False


def test_every_example_is_asked_once_and_no_more_at_a_time_than_allowed(server: Server, tmp_path: Path) -> None:
    server.pause = 0.01
    found = measure(job(server, tmp_path / "set", concurrency=3), 60, never)
    assert (found.examples, found.failed, found.complete) == (40, 0, True)
    assert found.metrics["accuracy"] == 1.0
    assert server.most == 3
    assert sorted(one["n"] for one in server.asked) == sorted([0, 0, *range(40)])  # two to warm up


def test_a_server_with_users_is_asked_one_at_a_time(server: Server, tmp_path: Path) -> None:
    server.pause = 0.005
    measure(job(server, tmp_path / "set", count=20, gentle=True), 60, never)
    assert server.most == 1


def test_fewer_and_more_requests_than_there_are_examples(server: Server, tmp_path: Path) -> None:
    assert measure(job(server, tmp_path / "set", count=5, score=False, limit=12), 60, never).examples == 12
    assert measure(job(server, tmp_path / "set", count=5, score=False, limit=3), 60, never).examples == 3


def test_a_broken_connection_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.breaks = 3
    found = measure(job(server, tmp_path / "set"), 60, never)
    assert (found.examples, found.failed) == (40, 0)


def test_a_late_answer_fails_its_example_and_many_end_it(server: Server, tmp_path: Path) -> None:
    server.pause = 0.3
    found = measure(job(server, tmp_path / "set", count=200, patience=0.05, concurrency=16), 60, never)
    assert not found.complete
    assert 20 < found.failed == found.examples < 60
    assert found.failures[0].endswith("no answer within 0.05 s")


def test_nobody_at_the_address_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(RetryLater, match=r"nobody listens at"):
        measure(job(None, tmp_path / "set"), 60, never)


def test_a_set_that_is_none_needs_a_person(server: Server, tmp_path: Path) -> None:
    broken = job(server, tmp_path / "set")
    (tmp_path / "set").write_text("{")
    with pytest.raises(NeedsPerson, match="line 1 is no JSON"):
        measure(broken, 60, never)


def test_it_ends_when_its_time_is_over_and_when_nobody_waits_any_more(server: Server, tmp_path: Path) -> None:
    server.pause = 0.5
    began = time.monotonic()
    with pytest.raises(NeedsPerson, match=r"did not end within 1\.5 s"):
        measure(job(server, tmp_path / "set"), 1.5, never)
    with pytest.raises(Cancelled):
        measure(job(server, tmp_path / "set"), 60, lambda: time.monotonic() - began > 2.5)
    assert time.monotonic() - began < 60
    asked = len(server.asked)
    server.pause = 0.0
    time.sleep(0.6)
    assert len(server.asked) <= asked + 1


def test_a_command_has_its_own_environment_and_folder(tmp_path: Path) -> None:
    script = "import os; print(os.getcwd()); print(sorted(k for k in os.environ if 'PYTHON' in k or k == 'ONLY'))"
    env = {"PATH": os.environ["PATH"], "ONLY": "this"}
    ended = run_command([sys.executable, "-c", script], env, tmp_path, 30, never)
    assert (ended.code, ended.output.splitlines()) == (0, [str(tmp_path), "['ONLY']"])
    assert run_command(["no-such-program"], env, tmp_path, 30, never).code == 127


def test_a_measurement_ends_with_whoever_asked_for_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    inner = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    outer = (
        "import sys; from pathlib import Path; from tidegate.evaluation.process import run_command; "
        f"run_command([sys.executable, '-c', {inner!r}], {{}}, Path({str(tmp_path)!r}), 600, lambda: False)"
    )
    asker = subprocess.Popen([sys.executable, "-c", outer], env={**os.environ, "PYTHONPATH": str(CONTROLLER)})
    eventually(lambda: mark.exists() and mark.read_text())
    pid = int(mark.read_text())
    asker.send_signal(signal.SIGKILL)
    asker.wait()

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"

    eventually(gone)
