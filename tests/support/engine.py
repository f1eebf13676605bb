"""The real Docker engine, a base image, a registry and a small model server: started when missing, never skipped."""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import random
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import TypeVar

import docker
import pytest

SERVING = Path(__file__).parents[2] / "serving"
SERVER = Path(__file__).with_name("server.py")
BASE = "tidegate-base:bookworm"

T = TypeVar("T")


def eventually(check: Callable[[], T], timeout: float = 60.0, every: float = 0.01) -> T:
    """The first true answer of `check`; fails with the last answer after `timeout` seconds, which only tell a hang."""
    deadline = time.monotonic() + timeout
    while not (answer := check()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout} s; last answer: {answer!r}")
        time.sleep(every)
    return answer


@cache
def _ports() -> Iterator[int]:
    """Ports below those that the kernel hands out by itself, each after all others: of each worker other ones."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = range(10_000 + worker % 16, 32_000, 16)
    return cycle(random.SystemRandom().sample(mine, len(mine)))


def free_port() -> int:
    """A loopback port that nobody listens on now, and that nobody is given by chance before it is used."""
    for port in _ports():
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports have no end")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that needs the engine, so that `-m "not docker"` leaves out just those."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "docker_engine" in names or params.get("place") == "docker":
            item.add_marker("docker")


@pytest.fixture
def unused_port() -> int:
    """A loopback port that nobody listens on now."""
    return free_port()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size=64k,uid={os.geteuid()}"
    subprocess.run([*as_root, "mount", "-t", "tmpfs", "-o", options, "tidegate-test", str(folder)], check=True)
    yield folder
    subprocess.run([*as_root, "umount", str(folder)], check=True)


def _script(name: str, *words: str) -> None:
    done = subprocess.run([str(SERVING / name), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"serving/{name} {' '.join(words)} failed:\n{done.stderr}", pytrace=False)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[docker.DockerClient]:
    """A client of an engine that answers. Started by serving/engine.sh where none does; it stays up afterwards."""
    _script("engine.sh", "start")
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def base_image(docker_engine: docker.DockerClient) -> str:
    """The tag of the base image: a small Debian with python3."""
    _script("base.sh", BASE)
    return BASE


@dataclass(frozen=True)
class Registry:
    """A registry on a loopback port. `host` is `127.0.0.1:PORT`."""

    host: str
    client: docker.DockerClient

    def push(self, image: str, repository: str) -> str:
        """Push a local image; its reference by digest: `127.0.0.1:PORT/REPOSITORY@sha256:...`."""
        target = f"{self.host}/{repository}"
        self.client.images.get(image).tag(target, "test")
        try:
            for line in self.client.api.push(target, tag="test", stream=True, decode=True):
                if "error" in line:
                    pytest.fail(f"push of {target}: {line['error']}")
                if digest := line.get("aux", {}).get("Digest"):
                    return f"{target}@{digest}"
        finally:
            self.client.images.remove(f"{target}:test")
        pytest.fail(f"push of {target} gave no digest")


@pytest.fixture(scope="session")
def local_registry(docker_engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Debian's docker-registry on a free loopback port, with its own storage, for this session."""
    folder = tmp_path_factory.mktemp("registry")
    host = f"127.0.0.1:{free_port()}"
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: warn}}\nhttp: {{addr: '{host}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: '{folder / 'data'}'}}, delete: {{enabled: true}}}}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)

    def answers() -> bool:
        if process.poll() is not None:
            pytest.fail(f"docker-registry ended:\n{(folder / 'log').read_text()}")
        connection = http.client.HTTPConnection(host, timeout=5)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    try:
        eventually(answers)
        yield Registry(host, docker_engine)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def server_tag(docker_engine: docker.DockerClient, base_image: str) -> str:
    """A local tag of the small test server's image (tests/support/server.py)."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        dockerfile = f'FROM {base_image}\nCOPY server.py /server.py\nCMD ["python3", "/server.py"]\n'.encode()
        for name, content in (("Dockerfile", dockerfile), ("server.py", SERVER.read_bytes())):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    context.seek(0)
    docker_engine.images.build(fileobj=context, custom_context=True, tag="tidegate-test-server:latest", rm=True)
    return "tidegate-test-server:latest"


@pytest.fixture(scope="session")
def server_image(server_tag: str, local_registry: Registry) -> str:
    """The small test server's image by digest, as a ModelVersion would name it."""
    return local_registry.push(server_tag, "test-server")
