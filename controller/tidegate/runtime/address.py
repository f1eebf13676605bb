"""How the gateway can reach a container: by its own address, or by a published loopback port.

The engine's user-land proxy behind a published port halves throughput: the own address is taken where it
can be reached.
"""

from __future__ import annotations

import socket
import sys
import threading
from typing import Literal

import docker

from tidegate.runtime.container import Mode


class Reach:
    """Finds the way once, when it is first needed, and keeps it: `auto` asks whether the bridge is one of this host."""

    def __init__(self, client: docker.DockerClient, wanted: Literal["auto", "container", "published"]) -> None:
        self._client = client
        self._mode: Mode | None = None if wanted == "auto" else wanted
        self._lock = threading.Lock()

    def mode(self) -> Mode:
        """`container` or `published`. Raises the SDK's errors when the engine does not answer."""
        with self._lock:
            if self._mode is None:
                self._mode = "container" if self._bridge_is_here() else "published"
            return self._mode

    def _bridge_is_here(self) -> bool:
        """True on Linux when the gateway of the engine's bridge is an address of this host: no VM, no other machine."""
        if not sys.platform.startswith("linux"):
            return False
        bridge = self._client.api.inspect_network("bridge")
        configs = (bridge.get("IPAM") or {}).get("Config") or []
        return any(_own(config["Gateway"]) for config in configs if config.get("Gateway"))


def _own(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False  # that is the answer: an address that cannot be bound is not of this host
    return True
