"""Chooses the runtime: what the settings name; with `auto` docker where an engine answers, else process.

Neighbours: docker.py and process.py. The choice of `auto` is kept as long as it has servers, so that an engine that
is slow to come up after a reboot does not make a second set of servers beside its own.
"""

from __future__ import annotations

from pathlib import Path

from tidegate.runtime.interface import Runtime
from tidegate.runtime.process import ProcessRuntime
from tidegate.spec.controller import RuntimeSettings
from tidegate.spec.errors import RetryLater

TIMEOUT = 60
"""Seconds until an engine that took a request and does not answer counts as out of reach."""


def open_runtime(settings: RuntimeSettings, instance: str, state: Path) -> Runtime:
    """The runtime for one Tidegate instance; `state` is the controller's own folder.

    Raises RetryLater when docker is asked for (or was chosen before) and no engine answers.
    """
    if settings.kind == "process":
        return ProcessRuntime(settings, instance, state)
    if settings.kind == "docker":
        return _open_docker(settings, instance)
    chosen = state / "runtime"
    try:
        before = chosen.read_text().strip()
    except FileNotFoundError:
        before = ""
    if before == "process" and (processes := ProcessRuntime(settings, instance, state)).observe():
        return processes
    try:
        runtime: Runtime = _open_docker(settings, instance)
    except RetryLater as error:
        if before == "docker":
            raise RetryLater(
                f"{error.message}; containers of this instance were started there before",
                fix="start the engine, or give it up for good: `runtime: {kind: process}` in tidegate.yaml",
                delay=error.delay,
            ) from error
        runtime = ProcessRuntime(settings, instance, state)
    state.mkdir(parents=True, exist_ok=True)
    chosen.write_text(f"{runtime.kind}\n")
    return runtime


def _open_docker(settings: RuntimeSettings, instance: str) -> Runtime:
    # Imported here: the SDK takes a quarter of a second, and a laptop without an engine needs none of it.
    import docker

    from tidegate.runtime.docker import DockerRuntime
    from tidegate.runtime.faults import engine_faults

    with engine_faults("connect"):
        if settings.host:
            client = docker.DockerClient(base_url=settings.host, version="auto", timeout=TIMEOUT)
        else:
            client = docker.from_env(version="auto", timeout=TIMEOUT)
    return DockerRuntime(client, settings, instance)
