"""Releases that a provider serves, beside those that run here: instances without a container or a process.

What was started stands in a file each, so that a new controller finds it as it finds its servers. Neighbours: interface.py;
the engine's providers.py brings the credential, fleet.py starts and stops all instances through here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tidegate.runtime.interface import Instance, Runtime, Workload
from tidegate.runtime.records import state_faults
from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError
from tidegate.spec.providers import host_of
from tidegate.spec.version import Provider

FORMAT = 1
_BAD: Final = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What reading a record raises that is not there, is damaged, or is of another Tidegate."""


class Supplier(Protocol):
    """Who brings credentials to the gateway."""

    def supply(self, workload: str, provider: Provider) -> None:
        """Bring it. Raises RetryLater when it is not there, NeedsPerson when nothing is going to bring it."""
        ...

    def drop(self, workload: str) -> None:
        """Nobody needs it any more."""
        ...

    def sweep(self, workloads: frozenset[str]) -> None:
        """Only these are needed. Raises RetryLater or NeedsPerson when the others cannot be removed."""
        ...


class WithProviders:
    """A runtime that also has what providers serve, in `folder`. Safe under several threads: each instance is one file."""

    def __init__(self, inner: Runtime, folder: Path, supplier: Supplier) -> None:
        self.inner = inner
        self._folder = folder
        self._supplier = supplier
        self._hint: Callable[[], None] | None = None
        self.trouble: TidegateError | None = None
        self.kind = inner.kind

    def observe(self) -> list[Instance]:
        """What runs, and what was started of providers. A credential that has changed is brought to the gateway.

        Each record by itself: one that is bad is told as `trouble` and hides no other.
        """
        found: list[_Record] = []
        unread: dict[str, TidegateError] = {}
        troubles: dict[str, TidegateError] = {}
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(_read(path))
            except FileNotFoundError:
                continue  # stopped in between
            except _BAD as error:
                fix = "a release that is needed gets another by itself; of one that is not, remove the file"
                unread[path.stem] = NeedsPerson(f"its record cannot be read: {error!r:.200}", where=str(path), fix=fix)
        for record in found:
            try:
                self._supplier.supply(record.instance.digest, record.provider)
            except TidegateError as error:
                said = f"it goes on with the credential that it has: {error.message}"
                troubles[record.instance.name] = RetryLater(said, where=error.where, fix=error.fix)
        try:
            if not unread:  # else nobody knows whose credentials are needed
                self._supplier.sweep(frozenset(record.instance.digest for record in found))
        except TidegateError as error:
            troubles["credentials"] = error
        self.trouble = _told({**unread, **troubles}, len(found) + len(unread))
        return self.inner.observe() + [record.instance for record in found]

    def start(self, workload: Workload) -> None:
        """Bring the credential, then write it down. Raises RetryLater while there is none."""
        provider = workload.provider
        if provider is None:
            self.inner.start(workload)
            return
        self._supplier.supply(workload.digest, provider)
        path = self._folder / f"{workload.name}.json"
        if _known(path) is not None:
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
        path = self._folder / f"{name}.json"
        record = _known(path)
        if record is None:
            self.inner.stop(name, grace)
            return
        self._supplier.drop(record.instance.digest)
        path.unlink(missing_ok=True)
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


@dataclass(frozen=True, slots=True)
class _Record:
    """What was started, as its file says."""

    instance: Instance
    provider: Provider


def _read(path: Path) -> _Record:
    """The record in this file. Raises one of `_BAD` where there is none."""
    record = json.loads(path.read_bytes())
    if record["format"] != FORMAT:
        raise ValueError(f"it has format {record['format']}, this Tidegate reads {FORMAT}")
    if record["name"] != path.stem:
        raise ValueError(f"it is of {record['name']}")
    provider = Provider.model_validate(record["provider"])
    instance = Instance(
        name=path.stem,
        model=str(record["model"]),
        version=str(record["version"]),
        digest=str(record["digest"]),
        replica=int(record["replica"]),
        address=host_of(provider),
        running=True,
        started_at=float(record["started_at"]),
        ref=f"provider-{record['started_at']}",
    )
    return _Record(instance, provider)


def _known(path: Path) -> _Record | None:
    """The record there; None without one, or with a bad one, which the next start writes anew."""
    try:
        return _read(path)
    except _BAD:
        return None


def _told(troubles: Mapping[str, TidegateError], instances: int) -> TidegateError | None:
    """All of them as one: how many, and the first in full."""
    if not troubles:
        return None
    name, first = next(iter(troubles.items()))
    count = f"{len(troubles)} of {instances} instances of providers have trouble, the first is "
    return NeedsPerson(f"{count if len(troubles) > 1 else ''}{name}: {first.message}", where=first.where, fix=first.fix)
