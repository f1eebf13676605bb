"""What a container of ours looks like: name, labels, hardening; and how an entry of the engine's list is read back.

Pure but for the SDK's helpers. Neighbours: docker.py makes and lists containers, expand.py fills in the placeholders.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from docker.api.client import APIClient
from docker.types import DeviceRequest, LogConfig, Mount

from tidegate.runtime.expand import expand
from tidegate.runtime.interface import Instance, Workload
from tidegate.runtime.labels import NAME, PORT, PREFIX, labels
from tidegate.spec.errors import NeedsPerson

PIDS = 2048
TMP = "rw,nosuid,nodev,noexec,mode=1777,size=256m"
CONFIGS = "/configs"
"""Where a server finds the folder of inference configs."""
LOGS = {"max-size": "10m", "max-file": "3"}
Mode = Literal["container", "published"]

_EXITED = re.compile(r"Exited \((\d+)\)")


def full_name(instance: str, name: str) -> str:
    """The container's name. No two (instance, name) share one: an instance's name has no dot."""
    return f"{instance}.{name}"


def options(workload: Workload, instance: str, user: str, api: APIClient) -> dict[str, Any]:
    """Arguments for the SDK's `create_container`. Raises NeedsPerson when the version names no image."""
    spec = workload.spec
    if not spec.image:
        raise NeedsPerson(
            "the version names no image, and this runtime runs containers",
            where=f"{workload.model} {workload.version}",
            fix="declare `runtime.image` by digest, or set `runtime: {kind: process}` in tidegate.yaml",
        )
    inside = f"/model/{workload.artifact.name}" if workload.artifact else None
    configs = CONFIGS if workload.configs else None
    command, env = expand(workload, inside, spec.port, configs)
    shown = {inside: workload.artifact, configs: workload.configs}
    mounts = [Mount(target, str(path), type="bind", read_only=True) for target, path in shown.items() if target]
    limits = spec.resources
    port = f"{spec.port}/tcp"
    return {
        "image": spec.image,
        "command": command or None,
        "name": full_name(instance, workload.name),
        "environment": {"HOME": "/tmp", **env},  # noqa: S108 the only place inside the container that can be written
        "labels": labels(workload, instance, spec.port, configs),
        "user": user,
        "ports": [spec.port],
        "host_config": api.create_host_config(
            read_only=True,
            tmpfs={"/tmp": TMP},  # noqa: S108 a private tmpfs of this container
            security_opt=["no-new-privileges:true"],
            cap_drop=["ALL"],
            pids_limit=PIDS,
            mem_limit=limits.memory,
            memswap_limit=limits.memory,
            nano_cpus=round(limits.cpus * 1e9) if limits.cpus else None,
            device_requests=[DeviceRequest(count=limits.gpus, capabilities=[["gpu"]])] if limits.gpus else None,
            mounts=mounts,
            init=True,  # a server as process 1 would not hear TERM unless it handles it, and would reap no children
            restart_policy={"Name": "no"},
            log_config=LogConfig(type=LogConfig.types.JSON, config=LOGS),
            port_bindings={port: ("127.0.0.1", None)},
        ),
    }


def instance_of(entry: dict[str, Any], mode: Mode) -> Instance | None:
    """One entry of the engine's list of containers. None for one that is being removed or lacks our labels."""
    marks = entry.get("Labels") or {}
    state = entry.get("State")
    try:
        name, replica, port = marks[NAME], int(marks[f"{PREFIX}replica"]), int(marks[PORT])
    except (KeyError, ValueError):
        return None  # it bears our instance's label and was not made by us: not ours to touch
    if state == "removing":
        return None
    running = state in ("running", "paused", "restarting")
    ended = _EXITED.match(entry.get("Status", ""))
    return Instance(
        name=name,
        model=marks.get(f"{PREFIX}model", ""),
        version=marks.get(f"{PREFIX}version", ""),
        digest=marks.get(f"{PREFIX}workload", ""),
        replica=replica,
        address=_address(entry, port, mode) if running else None,
        running=running,
        started_at=float(entry["Created"]),
        ref=entry["Id"],
        exit_code=int(ended[1]) if ended else None,
        labels=marks,
        begun=state != "created",
    )


def _address(entry: dict[str, Any], port: int, mode: Mode) -> tuple[str, int] | None:
    if mode == "container":
        networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
        found = (network.get("IPAddress") for network in networks.values())
        return next(((address, port) for address in found if address), None)
    for binding in entry.get("Ports") or []:
        if binding.get("PrivatePort") == port and binding.get("PublicPort"):
            return "127.0.0.1", int(binding["PublicPort"])
    return None
