"""A portfolio of any size: real git, journal, rules, state machine and Envoy; servers that only look like many.

Ten thousand containers fit on no machine of ours, so the runtime here says of every workload that it runs, at the address
of one of two small HTTP servers (one for each version). Everything else is what `tidegate run` runs. Neighbour: run.py.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tidegate.engine.build import Parts
from tidegate.engine.hints import Hint
from tidegate.engine.runner import Runner
from tidegate.engine.settings import open_settings
from tidegate.gateway.applying import Applied
from tidegate.gateway.files import Folder
from tidegate.gateway.model import Table
from tidegate.gateway.process import find
from tidegate.runtime.interface import Instance, Workload
from tidegate.runtime.probe import probe

ANSWERS = {"1.0.0": b"one", "1.1.0": b"two"}
POLICY = """\
# yaml-language-server: $schema=../schemas/rollout-policy.json
api: tidegate/v1
kind: RolloutPolicy
name: progressive
steps:
  - {name: full, weight: 100%, for: 1s}
batch: 500ms
standby: 1s
"""


def git(folder: Path, *words: str) -> str:
    """Run git; its output."""
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout.strip()


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        return int(probing.getsockname()[1])


def server(answer: bytes) -> tuple[subprocess.Popen[bytes], int]:
    """A server of its own process that is always ready and always says the same, and its port."""
    port = free_port()
    script = Path(__file__).with_name("server.py")
    process = subprocess.Popen([sys.executable, str(script), str(port), answer.decode()])
    deadline = time.monotonic() + 10
    while not probe(("127.0.0.1", port), "/", 1.0)[0]:
        if time.monotonic() > deadline:
            raise SystemExit("the server did not start")
        time.sleep(0.02)
    return process, port


class Everywhere:
    """A runtime whose workloads all run at once, at the address of their version's server."""

    kind = "benchmark"

    def __init__(self, addresses: dict[str, tuple[str, int]]) -> None:
        self._addresses = addresses
        self._instances: dict[str, Instance] = {}
        self._lock = threading.Lock()
        self._hint: Callable[[], None] = lambda: None

    def observe(self) -> list[Instance]:
        with self._lock:
            return list(self._instances.values())

    def start(self, workload: Workload) -> None:
        found = Instance(
            workload.name, workload.model, workload.version, workload.digest, workload.replica,
            self._addresses[workload.version], True, time.time(), workload.name,
        )  # fmt: skip
        with self._lock:
            self._instances[workload.name] = found
        self._hint()

    def stop(self, name: str, grace: float) -> None:  # noqa: ARG002 nothing has to end
        with self._lock:
            self._instances.pop(name, None)
        self._hint()

    def logs(self, name: str, tail: int | None = None, follow: bool = False) -> Iterator[str]:  # noqa: ARG002 nobody asks
        return iter(())

    def watch(self, hint: Callable[[], None]) -> None:
        self._hint = hint

    def close(self) -> None:
        pass


class World:
    """A remote with `models` models, a clone of it, and a controller that serves them all."""

    def __init__(self, folder: Path, models: int) -> None:
        self.folder, self.models = folder, models
        self.clone, self.remote = folder / "clone", folder / "remote.git"
        self.port = free_port()
        self.ticks: list[tuple[float, float]] = []
        self.marks: list[tuple[float, str, Any]] = []
        self._declare()
        self.servers = {version: server(answer) for version, answer in ANSWERS.items()}
        self.settings = folder / "tidegate.yaml"
        self.settings.write_text(
            "api: tidegate/v1\nkind: Controller\ninstance: benchmark\n"
            f"repository: {self.remote}\npoll: 60s\nstate: state\nruntime: {{kind: process}}\n"
            f'gateway: {{address: "127.0.0.1:{self.port}", flush: 50ms}}\n'
        )

    def _declare(self) -> None:
        command = [sys.executable, "-m", "tidegate", "init", str(self.clone), "--no-commit"]
        subprocess.run(command, check=True, capture_output=True)
        (self.clone / "policies/progressive.yaml").write_text(POLICY)
        hello = self.clone / "models/hello"
        texts = {path.relative_to(hello): path.read_text() for path in hello.rglob("*.yaml")}
        for path, text in texts.items():  # no artifact: what is measured is not how fast a file is hashed
            texts[path] = re.sub(r"(?m)^artifact:.*\n", "", text).replace('"${TIDEGATE_ARTIFACT}"', '"server.py"')
        shutil.rmtree(hello)
        for number in range(self.models):
            name = f"model-{number}"
            for path, text in texts.items():
                target = self.clone / "models" / name / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(re.sub(r"(?m)^(name|model): hello$", rf"\1: {name}", text))
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.remote)], check=True)
        subprocess.run(["git", "init", "-q", "-b", "main", str(self.clone)], check=True)
        git(self.clone, "config", "user.name", "Benchmark")
        git(self.clone, "config", "user.email", "benchmark@example.com")
        git(self.clone, "remote", "add", "origin", str(self.remote))
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-q", "-m", "models")
        git(self.clone, "push", "-q", "origin", "HEAD:main")

    def start(self) -> None:
        """Run the controller, in a thread of this process, each pass timed."""
        addresses = {version: ("127.0.0.1", port) for version, (_, port) in self.servers.items()}
        with patch("tidegate.engine.build.open_runtime", lambda *_: Everywhere(addresses)):
            self.parts = Parts(open_settings(self.settings))
        tick = self.parts.controller.tick

        def timed(hints: set[Hint]) -> float:
            began = time.perf_counter()
            pause = tick(hints)
            self.ticks.append((began, time.perf_counter() - began))
            return pause

        self.parts.controller.tick = timed  # type: ignore[method-assign]  # a stop-watch around the pass
        self._mark(self.parts.mirror, "fetch", lambda head: head)
        self._mark(self.parts.controller.source, "look", lambda snapshot: snapshot.commit)
        self._told()
        self.runner = Runner(self.parts)
        self.thread = threading.Thread(target=self.runner.run)
        self.thread.start()

    def _mark(self, part: object, name: str, what: Callable[[Any], Any]) -> None:
        """Note when each call of a method ended, and what it gave."""
        right = getattr(part, name)

        def marked(*given: Any, **named: Any) -> Any:
            found = right(*given, **named)
            self.marks.append((time.perf_counter(), name, what(found)))
            return found

        setattr(part, name, marked)

    def _told(self) -> None:
        """Note when the gateway was given models that changed, before it has taken them, and what it still waited for after."""
        right = self.parts.gateway.apply

        def told(table: Table, changed: frozenset[str] | None = None) -> Applied:
            self.marks.append((time.perf_counter(), "apply", changed or frozenset()))
            applied = right(table, changed)
            self.marks.append((time.perf_counter(), "applied", applied.waiting))
            return applied

        self.parts.gateway.apply = told  # type: ignore[method-assign]  # a stop-watch around it

    def divided(self, model: str, since: float, until: float) -> tuple[float, float, float, float, float]:
        """How the time of a change was spent: until it was fetched, read, first told to the gateway, until Envoy had its
        clusters, and the rest, in which Envoy took the routes.
        """
        head = git(self.clone, "rev-parse", "HEAD")
        marks = [(at, name, what) for at, name, what in list(self.marks) if since < at < until]
        fetched = next(at for at, name, what in marks if name == "fetch" and what == head)
        read = next(at for at, name, what in marks if name == "look" and what == head)
        told = next(at for at, name, what in marks if name == "apply" and at > read and model in what)
        loading = ("weights are loading", "clusters are loading")
        waited = [at for at, name, what in marks if name == "applied" and at > told and what in loading]
        warm = waited[-1] if waited else told
        return fetched - since, read - fetched, told - read, warm - told, until - warm

    def used(self) -> tuple[float, float]:
        """Seconds of processor time so far: of the controller (with its children and this benchmark), and of Envoy."""
        own = os.times()
        running = find(Folder(self.parts.settings.state / "gateway"))
        words = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split() if running else ["0"] * 13
        return sum(own[:4]), (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End the controller and what serves."""
        self.runner.stop()
        self.thread.join()
        self.parts.close()
        self.parts.gateway.stop()
        for process, _ in self.servers.values():
            process.terminate()
            process.wait()

    def rest(self) -> None:
        """Wait until git knows what was promoted, and the gateway has taken all that it was given."""
        controller = self.parts.controller
        self.until(lambda: not controller.routes.owing and controller.steering.settled, "the last change is over", 300)

    def serving(self) -> int:
        """How many routes have a stable release."""
        return sum(state.stable is not None for state in list(self.parts.controller.routes.states.values()))

    def ask(self, model: str) -> bytes:
        """One answer through the gateway; empty when there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("POST", f"/{model}/", b"{}")
            answer = connection.getresponse()
            body = answer.read()
            return body if answer.status == 200 else b""
        except OSError:
            return b""
        finally:
            connection.close()

    def until(self, true: Callable[[], bool], what: str, within: float) -> float:
        """Wait until it is true; when that was, by the performance counter."""
        deadline = time.perf_counter() + within
        while not true():
            if time.perf_counter() > deadline:
                problems = "; ".join(str(problem) for problem in self.parts.controller.problems.values())
                raise SystemExit(f"{what}: not within {within:g} s. {problems}")
            time.sleep(0.005)
        return time.perf_counter()

    def deploy(self, model: str, version: str) -> float:
        """Ask for a version of one model; when the push had ended, by the performance counter."""
        path = self.clone / "models" / model / "deployment.yaml"
        path.write_text(re.sub(r'(?m)^version: ".*"$', f'version: "{version}"', path.read_text()))
        git(self.clone, "commit", "-q", "-a", "-m", f"{model} {version}")
        git(self.clone, "push", "-q", "origin", "HEAD:main")
        return time.perf_counter()
