"""A whole Tidegate in one folder: a bare remote, a person's clone, a real controller process, its gateway and servers.

Tests act in it as people do (git, an editor, the CLI, HTTP) and look at what people see. Neighbours: declare.py writes the
YAML, traffic.py asks the gateway, toy_server.py is what is served.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import docker
import pytest

from support import declare
from support.engine import free_port
from support.traffic import Reply, Traffic, exchange
from tidegate.engine.live import fresh, read_live
from tidegate.engine.settings import load_settings
from tidegate.gateway.supervisor import Gateway
from tidegate.journal.reader import Reader
from tidegate.runtime.select import open_runtime
from tidegate.spec.errors import NeedsPerson

T = TypeVar("T")
WITHIN = 120.0
"""Seconds after which something hangs, on a busy machine too."""
PUSH = ("push", "-q", "origin", "HEAD:main")
CONTROLLER = Path(__file__).parents[2] / "controller"


class World:
    """Where an end-to-end test takes place. `kind`: docker or process; `image`: the pinned image of all servers."""

    def __init__(self, folder: Path, kind: str, image: str | None) -> None:
        self.folder, self.kind, self.image = folder, kind, image
        self.remote, self.clone, self.state = folder / "remote.git", folder / "clone", folder / "state"
        self.settings, self.log = folder / "tidegate.yaml", folder / "controller.log"
        self.instance = f"e2e-{uuid.uuid4().hex[:8]}"
        self.port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []

    # -- making it -----------------------------------------------------------------------------------------------------

    def make(self) -> None:
        """The remote with policies alone, the clone, the controller's settings. Nothing runs yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "--bare", "-b", "main", str(self.remote), at=self.folder)
        self.git("init", "-q", "-b", "main", str(self.clone), at=self.folder)
        self.git("config", "user.name", "Team A")
        self.git("config", "user.email", "team-a@example.com")
        self.git("remote", "add", "origin", str(self.remote))
        self.write("README.md", "# Our models\n")
        self.policy()
        self.configure()
        self.commit("Policies")

    def configure(self, **changes: Any) -> None:
        """Write tidegate.yaml. `changes` replace whole fields."""
        fields: dict[str, Any] = {
            "instance": self.instance,
            "repository": str(self.remote),
            "poll": "1s",
            "state": str(self.state),
            "runtime": {"kind": self.kind},
            "gateway": {"address": f"127.0.0.1:{self.port}", "flush": "20ms", "concurrency": 1},
        }
        self.settings.write_text(declare.flow("Controller", {**fields, **changes}))

    def start(self) -> None:
        """Start a controller, and wait until it says how things are."""
        process = self.spawn()
        self.wait(lambda: self._lives(process), "the controller to start")

    def _lives(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            pytest.fail(f"the controller ended with {process.returncode}:\n{self.tail()}", pytrace=False)
        live = read_live(self.state)
        return live is not None and live["pid"] == process.pid and fresh(live)

    def spawn(self, *words: str) -> subprocess.Popen[bytes]:
        """`tidegate run` in a session of its own, its output in the log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tidegate", "run", "--config", str(self.settings), *words],
                stdout=log,
                stderr=log,
                env=environment(),
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def kill(self) -> None:
        """SIGKILL to the controller, as the kernel's memory killer would."""
        self.processes[-1].kill()
        self.processes[-1].wait()

    def stop(self) -> int:
        """SIGTERM to the controller, and its exit code. What serves goes on serving."""
        self.processes[-1].send_signal(signal.SIGTERM)
        return self.processes[-1].wait(WITHIN)

    def clean(self) -> None:
        """End what this world started: controllers, gateway, servers; nothing else."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.settings.exists():
            settings = load_settings(self.settings)
            Gateway(settings.controller.gateway, self.state).stop(grace=0.5)
            self.end_servers()

    def end_servers(self) -> None:
        """End every server of this instance."""
        settings = load_settings(self.settings)
        runtime = open_runtime(settings.runtime, self.instance, self.state)
        for one in runtime.observe():
            runtime.stop(one.name, grace=0)
        runtime.close()

    # -- what a person does --------------------------------------------------------------------------------------------

    def git(self, *words: str, at: Path | None = None) -> str:
        """git in the clone; fails the test with git's own words."""
        done = self._git(*words, at=at)
        if done.returncode:
            pytest.fail(f"git {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _git(self, *words: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=at or self.clone, capture_output=True, text=True, check=False)

    def write(self, path: str, content: str) -> None:
        """A file in the clone."""
        file = self.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def edit(self, path: str, before: str, after: str) -> None:
        """Replace a text that stands in a file of the clone."""
        text = (self.clone / path).read_text()
        assert before in text, f"'{before}' does not stand in {path}:\n{text}"
        self.write(path, text.replace(before, after))

    def commit(self, message: str) -> str:
        """Commit everything and push it; the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.push()

    def push(self) -> str:
        """Push what is committed, on top of what the controller has pushed meanwhile; the commit."""
        for _ in range(5):
            if not any(
                word in self._git(*PUSH).stderr for word in ("fetch first", "non-fast-forward", "cannot lock ref")
            ):
                break
            self.pull()
        self.git(*PUSH)  # nothing more to do, where it was done
        return self.git("rev-parse", "HEAD")

    def pull(self) -> None:
        """Bring the clone to the remote's branch."""
        self.git("pull", "-q", "--rebase", "origin", "main")

    def revert(self, commit: str) -> str:
        """`git revert`, pushed; the commit that it made."""
        self.pull()
        self.git("revert", "--no-edit", commit)
        return self.push()

    def policy(self, name: str = "fast", **changes: Any) -> None:
        """Write a policy: three steps of a second; `changes` replace whole fields, `validation` stands for `validate`."""
        self.write(f"policies/{name}.yaml", declare.policy(name, **changes))

    def model(self, name: str = "digits", **changes: Any) -> None:
        """Write a model with the toy server beside it as the artifact of its versions."""
        self.write(f"models/{name}/model.yaml", declare.model(name, **changes))
        self.write(f"models/{name}/artifacts/server.py", declare.SERVER.read_text())

    def version(
        self, version: str, model: str = "digits", *, artifact: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        """Write a version. `env` tells the server how to behave; `runtime` and `artifact` change those fields."""
        text = declare.version(model, version, self.kind, self.image, artifact=artifact, **more)
        self.write(f"models/{model}/versions/{version}.yaml", text)

    def config(self, name: str = "default", model: str = "digits", **parameters: Any) -> None:
        """Write an inference config."""
        fields = {"model": model, "name": name, "parameters": parameters}
        self.write(f"models/{model}/configs/{name}.yaml", declare.flow("InferenceConfig", fields))

    def deploy(self, version: str, model: str = "digits", **more: Any) -> str:
        """Ask for a version (the whole deployment file anew), pushed; the commit."""
        self.write(f"models/{model}/deployment.yaml", declare.deployment(model, version, **more))
        return self.commit(f"{model} {version}")

    def begin(self, model: str = "digits", version: str = "1.0.0", **more: Any) -> str:
        """A model with its first version deployed, promoted and answering. The controller has to run."""
        self.model(model, **more)
        self.version(version, model)
        commit = self.deploy(version, model)
        self.until("promoted", model, commit=commit)
        self.wait(lambda: self.ask(model).status == 200, f"the gateway to answer for {model}")
        return commit

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`tidegate WORDS --config ...`, run in the clone."""
        return subprocess.run(
            [sys.executable, "-m", "tidegate", *words, "--config", str(self.settings)],
            cwd=self.clone,
            capture_output=True,
            text=True,
            env={**environment(), "COLUMNS": "200"},
            check=False,
            timeout=120,
        )

    def facts(self, *words: str) -> Any:
        """What a command prints with `--format json`."""
        done = self.cli(*words, "--format", "json")
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    # -- what a person sees --------------------------------------------------------------------------------------------

    def ask(
        self, route: str = "digits", headers: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Reply:
        """One request, for `model` or `model/feature`."""
        model, _, feature = route.partition("/")
        given = {"content-type": "application/json", **({"x-tidegate-feature": feature} if feature else {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            return exchange(
                connection, f"/{model}/infer", {**given, **(headers or {})}, json.dumps(body or {}).encode()
            )
        finally:
            connection.close()

    def traffic(self, route: str = "digits", headers: Mapping[str, str] | None = None, **more: Any) -> Traffic:
        """Users of a route; a context manager."""
        model, _, feature = route.partition("/")
        named = {"x-tidegate-feature": feature} if feature else {}
        return Traffic(self.port, f"/{model}/infer", {**named, **(headers or {})}, **more)

    def live(self) -> dict[str, Any]:
        """The status as the controller wrote it last: what `tidegate status --format json` prints."""
        return read_live(self.state) or {"routes": [], "problems": [], "instances": [], "commit": None}

    def route(self, route: str = "digits") -> dict[str, Any]:
        """One route of the status; empty before it has one."""
        return next((one for one in self.live()["routes"] if one["route"] == route), {})

    def problems(self) -> str:
        """Everything that the status calls wrong, one a line."""
        live = self.live()
        lines = [f"{one['message']} fix: {one['fix']}" for one in live["problems"]]
        return "\n".join(lines + [str(route["problem"]) for route in live["routes"] if route["problem"]])

    def running(self, model: str = "digits") -> dict[str, str]:
        """What runs of a model: name to the engine's id or the process id, looked up now."""
        settings = load_settings(self.settings)
        runtime = open_runtime(settings.runtime, self.instance, self.state)
        try:
            return {one.name: one.ref for one in runtime.observe() if one.running and one.model == model}
        finally:
            runtime.close()

    def events(self, route: str = "digits", since: float = 0.0) -> list[dict[str, Any]]:
        """What `tidegate events ROUTE` prints, oldest first."""
        try:
            with Reader(self.state / "journal.db") as journal:
                return [one for one in journal.events(route, since=since, limit=500) if one["route"] == route]
        except NeedsPerson:  # no journal yet
            return []

    def kinds(self, route: str = "digits", since: float = 0.0) -> list[str]:
        """The kinds of the events, a step as `step NAME`."""
        return [f"step {one['step']}" if one["kind"] == "step" else one["kind"] for one in self.events(route, since)]

    def until(
        self, kind: str, route: str = "digits", *, since: float = 0.0, commit: str | None = None, step: str | None = None,
        saying: str = "", within: float = WITHIN,
    ) -> dict[str, Any]:  # fmt: skip
        """Wait for an event of a route, since a moment, about the release that a commit asked for, or with words in its reason.

        A busy machine adds holds for want of evidence: who waits for another hold names its words.
        """

        def look() -> dict[str, Any] | None:
            for one in self.events(route, since):
                about = one["kind"] == kind and commit in (None, one["commit"]) and step in (None, one["step"])
                if about and saying in (one["reason"] or ""):
                    return one
            return None

        return self.wait(look, f"'{kind}' of {route}", within)

    def wait(self, holds: Callable[[], T], what: str, within: float = WITHIN) -> T:
        """The first true answer; fails with the status when it does not come."""
        deadline = time.monotonic() + within
        while not (answer := holds()):
            if time.monotonic() > deadline:
                routes = [one["route"] for one in self.live()["routes"]]
                told = "\n".join(f"{route}: {self.kinds(route)}" for route in routes)
                pytest.fail(f"waited {within:g} s for {what}\n{told}\n{self.problems()}", pytrace=True)
            time.sleep(0.03)
        return answer

    def head(self) -> str:
        """The remote's newest commit."""
        return self.git("rev-parse", "main", at=self.remote)

    def at_remote(self, path: str, ref: str = "main") -> str:
        """A file on the remote's branch, with its last line break."""
        done = subprocess.run(
            ["git", "show", f"{ref}:{path}"], cwd=self.remote, capture_output=True, text=True, check=True
        )
        return done.stdout

    def trailers(self, ref: str = "main") -> dict[str, str]:
        """The trailers of a commit on the remote, as git itself parses them."""
        text = self.git("log", "-1", "--format=%(trailers:only,unfold)", ref, at=self.remote)
        return dict(line.split(": ", 1) for line in text.splitlines() if line)

    def notes(self, commit: str) -> list[dict[str, Any]]:
        """The notes on a commit of the remote."""
        done = subprocess.run(
            ["git", "notes", "--ref=tidegate", "show", commit],
            cwd=self.remote,
            capture_output=True,
            text=True,
            check=False,
        )
        return [json.loads(line) for line in done.stdout.splitlines() if line]

    def noted(self, commit: str, kind: str) -> dict[str, Any]:
        """Wait for the note of a kind on a commit."""
        return self.wait(
            lambda: next((note for note in self.notes(commit) if note["kind"] == kind), None), f"the note '{kind}'"
        )

    def commits(self) -> list[str]:
        """The subjects on the remote's branch, newest first."""
        return self.git("log", "--format=%s", "main", at=self.remote).splitlines()

    def tail(self, lines: int = 40) -> str:
        """The end of the controllers' log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


def environment() -> dict[str, str]:
    """This process's environment with the program importable."""
    return {**os.environ, "PYTHONPATH": str(CONTROLLER)}


Make = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes worlds, and ends all that they started; `make_world("docker")` gets itself an engine and an image."""
    made: list[World] = []

    def make(kind: str = "process", *, start: bool = True) -> World:
        image = request.getfixturevalue("server_image") if kind == "docker" else None
        world = World(tmp_path / f"world{len(made)}", kind, image)
        made.append(world)
        world.make()
        if start:
            world.start()
        return world

    yield make
    for world in made:
        world.clean()
        print(f"--- {world.kind} {world.folder}\n{world.tail(80)}")


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of processes for all stories of a file that look at their own route alone, or leave it as it was."""
    world = World(tmp_path_factory.mktemp("shared") / "world", "process", None)
    try:
        world.make()
        world.start()
        yield world
    finally:
        world.clean()


@pytest.fixture
def world(make_world: Make) -> World:
    """A world of processes with its controller running."""
    return make_world()


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def each_world(request: pytest.FixtureRequest, make_world: Make) -> World:
    """Each runtime in turn, its controller running."""
    return make_world(request.param)


@pytest.fixture
def containers(docker_engine: docker.DockerClient) -> Iterator[Callable[..., Any]]:
    """Starts containers that are not Tidegate's; they are removed afterwards."""
    made = []

    def run(image: str, **more: Any) -> Any:
        made.append(docker_engine.containers.run(image, detach=True, **more))
        return made[-1]

    yield run
    for container in made:
        container.remove(force=True)
