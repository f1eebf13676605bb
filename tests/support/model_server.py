"""The reference model server as a real subprocess, in the environment that `make serving` made."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.engine import eventually, free_port

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "models/digits/artifacts"


@dataclass
class ModelServer:
    """A running server: its process, and a client that knows its address."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    log: Path
    ready_after: float

    def infer(self, body: Any, **more: Any) -> httpx.Response:
        """POST to the digits model."""
        return self.client.post("/v2/models/digits/infer", json={**body, **more})

    def stop(self) -> int:
        """TERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@pytest.fixture(scope="session")
def serving_python() -> str:
    """The Python that has the server's packages: TIDEGATE_SERVING_PYTHON, or .venv-serving's."""
    python = os.environ.get("TIDEGATE_SERVING_PYTHON", str(ROOT / ".venv-serving/bin/python"))
    if not Path(python).exists():
        pytest.fail(f"{python} is missing. fix: make serving", pytrace=False)
    return python


@pytest.fixture(scope="session")
def start_server(
    serving_python: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path, str], ModelServer]]:
    """Starts servers of ONNX files and waits until they are ready; all end with the session."""
    started: list[ModelServer] = []

    def start(artifact: Path, version: str) -> ModelServer:
        port = free_port()
        log = tmp_path_factory.mktemp("server") / "log"
        words = ["-m", "tidegate_serving", "--artifact", str(artifact), "--port", str(port)]
        began = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [serving_python, *words, "--name", "digits", "--version", version],
                stdout=output,
                stderr=output,
                env={"PATH": os.environ["PATH"]},
            )
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        server = ModelServer(process, client, log, 0.0)
        started.append(server)

        def ready() -> bool:
            if process.poll() is not None:
                pytest.fail(f"the server ended:\n{log.read_text()}")
            try:
                return client.get("/v2/health/ready").status_code == 200
            except httpx.TransportError:
                return False

        eventually(ready, timeout=30)
        server.ready_after = time.monotonic() - began
        return server

    yield start
    for server in started:
        server.client.close()
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="session")
def digits_server(start_server: Callable[[Path, str], ModelServer]) -> Callable[[str], ModelServer]:
    """The server of one version of digits; one process a version and session."""
    servers: dict[str, ModelServer] = {}

    def serve(version: str) -> ModelServer:
        if version not in servers:
            servers[version] = start_server(ARTIFACTS / version / "model.onnx", version)
        return servers[version]

    return serve
