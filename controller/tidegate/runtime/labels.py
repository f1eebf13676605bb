"""The labels of everything that we run: what it is, and which Tidegate instance it belongs to.

Neighbours: container.py puts them on containers, process.py into its state files.
"""

from __future__ import annotations

from tidegate.runtime.interface import Workload

PREFIX = "io.tidegate."
INSTANCE = f"{PREFIX}instance"
NAME = f"{PREFIX}name"
CONFIGS = f"{PREFIX}configs"
"""Where the server finds inference configs as files; servers that were started without that folder lack the label."""
PORT = f"{PREFIX}port"


def labels(workload: Workload, instance: str, port: int, configs: str | None) -> dict[str, str]:
    """How an instance is found and told again: by any controller of this instance, and by people."""
    return {
        **({CONFIGS: configs} if configs else {}),
        INSTANCE: instance,
        NAME: workload.name,
        PORT: str(port),
        f"{PREFIX}model": workload.model,
        f"{PREFIX}version": workload.version,
        f"{PREFIX}release": workload.release,
        f"{PREFIX}workload": workload.digest,
        f"{PREFIX}replica": str(workload.replica),
    }
