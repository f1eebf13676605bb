"""An evaluator as one container, run to its end beside a candidate: same hardening, the candidate's own network, no port.

Neighbours: docker.py owns the engine's connection; evaluation/process.py is the same for the runtime of processes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import LogConfig, Mount

from tidegate.runtime.container import LOGS, PIDS, TMP
from tidegate.runtime.faults import engine_faults, is_missing_image
from tidegate.runtime.images import pull
from tidegate.runtime.labels import PREFIX

TASK = f"{PREFIX}task-of"
POLL = 0.1
KEPT = 5000
"""Lines of output that are read back."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is run once. `beside`: the engine's id of the container whose network it shares. `mounts`: inside to file."""

    name: str
    image: str
    command: Sequence[str]
    env: Mapping[str, str]
    mounts: Mapping[str, Path]
    beside: str


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """How it ended. `code` None: it was given up, at its time's end or because it was cancelled."""

    code: int | None
    output: str
    errors: str


def run_task(
    client: docker.DockerClient, instance: str, user: str, task: Task, timeout: float, cancelled: Callable[[], bool]
) -> TaskEnded:
    """Run it to its end, at most `timeout` seconds, and leave nothing behind; nor what a crash left before.

    Raises NeedsPerson (no such image, no such program) or RetryLater.
    """
    with engine_faults(f"run the evaluator {task.image}"):
        for left in client.api.containers(
            all=True, filters={"label": [f"{TASK}={instance}", f"{TASK}-name={task.name}"]}
        ):
            _remove(client, left["Id"])
        made = _create(client, instance, user, task)
        try:
            client.api.start(made)
            code = _wait(client, made, timeout, cancelled)
            output, errors = (
                client.api.logs(made, stdout=out, stderr=not out, tail=KEPT).decode("utf-8", "replace")
                for out in (True, False)
            )
        finally:
            _remove(client, made)
    return TaskEnded(code, output, errors)


def _create(client: docker.DockerClient, instance: str, user: str, task: Task) -> str:
    options: dict[str, Any] = {
        "image": task.image,
        "command": list(task.command) or None,
        "environment": {"HOME": "/tmp", **task.env},  # noqa: S108 the only place inside that can be written
        "labels": {TASK: instance, f"{TASK}-name": task.name},
        "user": user,
        "host_config": client.api.create_host_config(
            read_only=True,
            tmpfs={"/tmp": TMP},  # noqa: S108 a private tmpfs of this container
            security_opt=["no-new-privileges:true"],
            cap_drop=["ALL"],
            pids_limit=PIDS,
            mounts=[Mount(inside, str(path), type="bind", read_only=True) for inside, path in task.mounts.items()],
            init=True,
            network_mode=f"container:{task.beside}",
            log_config=LogConfig(type=LogConfig.types.JSON, config=LOGS),
        ),
    }
    try:
        return str(client.api.create_container(**options)["Id"])
    except APIError as error:
        if not is_missing_image(error):
            raise
    pull(client, task.image)
    return str(client.api.create_container(**options)["Id"])


def _wait(client: docker.DockerClient, made: str, timeout: float, cancelled: Callable[[], bool]) -> int | None:
    deadline = time.monotonic() + timeout
    while not cancelled() and time.monotonic() < deadline:
        state = client.api.inspect_container(made)["State"]
        if state["Status"] in ("exited", "dead"):
            return int(state["ExitCode"])
        time.sleep(POLL)
    return None


def _remove(client: docker.DockerClient, ident: str) -> None:
    with contextlib.suppress(NotFound):
        client.api.remove_container(ident, force=True, v=True)
