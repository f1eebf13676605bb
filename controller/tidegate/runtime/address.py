"""How the gateway can reach a container: by its own address, or by a published loopback port.

The engine's user-land proxy behind a published port halves throughput: the own address is taken where it
can be reached.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from typing import Literal

import docker

from tidegate.runtime.container import Mode


class Reach:
    """Finds the way once, when it is first needed, and keeps it: `auto` asks whether this host is on the bridge."""

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
        """True on Linux when this host has an address on the engine's bridge: no VM, no other machine in between."""
        if not sys.platform.startswith("linux"):
            return False
        bridge = self._client.api.inspect_network("bridge")
        configs = (bridge.get("IPAM") or {}).get("Config") or []
        return any(_is_on(ipaddress.ip_network(config["Subnet"])) for config in configs if config.get("Subnet"))


def _is_on(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Would this host speak to that network from an address inside it? Asks the routing table; nothing is sent."""
    family = socket.AF_INET6 if network.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(network[-2]), 9))
            return ipaddress.ip_address(probe.getsockname()[0]) in network
    except OSError:
        return False  # that is the answer: there is no way to it
