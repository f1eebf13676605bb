"""The two runtimes under one contract, and a workload that suits each."""

from __future__ import annotations

import http.client
import json
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from support.engine import SERVER, eventually
from tidegate.runtime.interface import Instance, Runtime, Workload
from tidegate.runtime.select import open_runtime
from tidegate.spec.controller import RuntimeSettings
from tidegate.spec.version import Resources
from tidegate.spec.version import Runtime as RuntimeSpec

DIGEST = "9f3c12ab44d0" + "0" * 52


@dataclass
class Place:
    """One kind of runtime, and everything opened in it by a test."""

    kind: str
    state: Path
    image: str | None
    command: tuple[str, ...]
    instance: str
    opened: list[Runtime] = field(default_factory=list)
    instances: set[str] = field(default_factory=set)

    def open(self, instance: str | None = None, **settings: Any) -> Runtime:
        """A fresh Runtime object, as after a restart of the controller; with a name, another Tidegate instance."""
        name = instance or self.instance
        self.instances.add(name)
        runtime = open_runtime(RuntimeSettings(kind=self.kind, **settings), name, self.state)
        self.opened.append(runtime)
        return runtime

    def workload(
        self,
        *arguments: str,
        replica: int = 0,
        artifact: Path | None = None,
        env: dict[str, str] | None = None,
        **more: Any,
    ) -> Workload:
        """The test server with these arguments."""
        resources = Resources(**more.pop("resources", {}))
        spec = RuntimeSpec(
            image=self.image, command=(*self.command, *arguments), env=env or {}, resources=resources, **more
        )
        return Workload("digits", "2.0.0+data.7", DIGEST, replica, spec, artifact, release="abcdef012345")

    def clean(self) -> None:
        """End everything that the test's instances run."""
        for name in self.instances:
            runtime = self.open(name)
            for instance in runtime.observe():
                runtime.stop(instance.name, grace=0)
        for runtime in self.opened:
            runtime.close()


@pytest.fixture
def docker_place(docker_engine: docker.DockerClient, server_image: str, tmp_path: Path) -> Iterator[Place]:
    """The runtime of containers."""
    place = Place("docker", tmp_path / "state", server_image, ("python3", "/server.py"), f"t{uuid.uuid4().hex[:10]}")
    yield place
    place.clean()


@pytest.fixture
def process_place(tmp_path: Path) -> Iterator[Place]:
    """The runtime of processes."""
    place = Place("process", tmp_path / "state", None, (sys.executable, str(SERVER)), "here")
    yield place
    place.clean()


@pytest.fixture(params=["docker", "process"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each runtime in turn."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


def get(instance: Instance, path: str, timeout: float = 10.0) -> tuple[int, bytes]:
    """One GET to the instance: status and body."""
    assert instance.address is not None
    connection = http.client.HTTPConnection(*instance.address, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def env_of(instance: Instance) -> dict[str, Any]:
    """The environment that the server inside sees."""
    found: dict[str, Any] = json.loads(get(instance, "/env")[1])
    return found


def only(runtime: Runtime) -> Instance:
    """The one instance there is."""
    (instance,) = runtime.observe()
    return instance


def ready(runtime: Runtime, name: str | None = None) -> Instance:
    """The instance (the only one without a name), once it answers 200 on /ready."""

    def look() -> Instance | None:
        for instance in runtime.observe():
            if name in (None, instance.name) and instance.address:
                try:
                    return instance if get(instance, "/ready")[0] == 200 else None
                except OSError:
                    return None
        return None

    return eventually(look)


def ended(runtime: Runtime) -> Instance:
    """The only instance, once it has ended."""
    return eventually(lambda: next((one for one in runtime.observe() if not one.running), None))


@pytest.fixture
def hints() -> Callable[[], int]:
    """A hint to count: `hints.seen` is how often it was called."""

    class Hints:
        seen = 0

        def __call__(self) -> None:
            self.seen += 1

    return Hints()
