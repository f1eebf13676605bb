"""Releases that a provider serves, beside those that run here: instances without a container or a process.

What was started stands in a file each, so that a new controller finds it as it finds its servers. Neighbours: interface.py;
the engine's providers.py brings the credential, fleet.py starts and stops all instances through here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from tidegate.runtime.interface import Instance, Runtime, Workload
from tidegate.runtime.records import state_faults
from tidegate.spec.errors import RetryLater
from tidegate.spec.providers import host_of
from tidegate.spec.version import Provider

log = logging.getLogger(__name__)

FORMAT = 1


class Supplier(Protocol):
    """Who brings credentials to the gateway."""

    def supply(self, workload: str, provider: Provider) -> None:
        """Bring it. Raises RetryLater when it is not there."""
        ...

    def drop(self, workload: str) -> None:
        """Nobody needs it any more."""
        ...

    def sweep(self, workloads: frozenset[str]) -> None:
        """Only these are needed."""
        ...


class WithProviders:
    """A runtime that also has what providers serve, in `folder`. Safe under several threads: each instance is one file."""

    def __init__(self, inner: Runtime, folder: Path, supplier: Supplier) -> None:
        self.inner = inner
        self._folder = folder
        self._supplier = supplier
        self._hint: Callable[[], None] | None = None
        self.kind = inner.kind

    def observe(self) -> list[Instance]:
        """What runs, and what was started of providers. A credential that has changed is brought to the gateway."""
        records = self._records()
        for record in records:
            self._refresh(record)
        self._supplier.sweep(frozenset(record["digest"] for record in records))
        return self.inner.observe() + [_instance(record) for record in records]

    def start(self, workload: Workload) -> None:
        """Bring the credential, then write it down. Raises RetryLater while there is none."""
        provider = workload.provider
        if provider is None:
            self.inner.start(workload)
            return
        self._supplier.supply(workload.digest, provider)
        path = self._folder / f"{workload.name}.json"
        if path.exists():
            return
        record = {
            "format": FORMAT,
            "name": workload.name,
            "model": workload.model,
            "version": workload.version,
            "digest": workload.digest,
            "replica": workload.replica,
            "provider": provider.model_dump(mode="json", exclude_none=True),
            "started_at": time.time(),
        }
        with state_faults(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(record))
            fresh.replace(path)
        self._tell()

    def stop(self, name: str, grace: float) -> None:
        """Forget it; what runs is stopped by the runtime."""
        record = next((one for one in self._records() if one["name"] == name), None)
        if record is None:
            self.inner.stop(name, grace)
            return
        self._supplier.drop(record["digest"])
        (self._folder / f"{name}.json").unlink(missing_ok=True)
        self._tell()

    def logs(self, name: str, tail: int | None = None, follow: bool = False) -> Iterator[str]:
        """A provider keeps its own."""
        return self.inner.logs(name, tail, follow)

    def watch(self, hint: Callable[[], None]) -> None:
        """Call `hint` at every start and end."""
        self._hint = hint
        self.inner.watch(hint)

    def close(self) -> None:
        """Let go of the runtime."""
        self.inner.close()

    def _tell(self) -> None:
        if self._hint is not None:
            self._hint()

    def _refresh(self, record: dict[str, Any]) -> None:
        try:
            self._supplier.supply(record["digest"], Provider.model_validate(record["provider"]))
        except RetryLater as error:  # the gateway goes on with what it has
            log.debug("%s: %s", record["name"], error)

    def _records(self) -> list[dict[str, Any]]:
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                record = json.loads(path.read_bytes())
            except FileNotFoundError:
                continue  # stopped in between
            except ValueError:
                log.warning("%s is damaged and counts as absent", path)
                continue
            if record["format"] == FORMAT:
                found.append(record)
        return found


def _instance(record: dict[str, Any]) -> Instance:
    return Instance(
        name=record["name"],
        model=record["model"],
        version=record["version"],
        digest=record["digest"],
        replica=record["replica"],
        address=host_of(Provider.model_validate(record["provider"])),
        running=True,
        started_at=record["started_at"],
        ref=f"provider-{record['started_at']}",
    )
