"""One interface for every place that can run a model server; docker.py and process.py implement it.

The engine owns it. Observed state comes from the engine of containers, never from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from tidegate.spec.errors import TidegateError
from tidegate.spec.version import Provider
from tidegate.spec.version import Runtime as RuntimeSpec


@dataclass(frozen=True, slots=True)
class Workload:
    """What has to run, one replica of one version. `digest` is Release.workload, `artifact` the verified file.

    With a `provider` nothing runs here (providers.py). `configs`: a folder in which the server finds inference configs, today's
    and later ones; a runtime that cannot show it to the server starts it without.
    """

    model: str
    version: str
    digest: str
    replica: int
    spec: RuntimeSpec
    artifact: Path | None = None
    release: str = ""
    provider: Provider | None = None
    configs: Path | None = None

    @property
    def name(self) -> str:
        """Unique in one instance: `digits-2.0.0-9f3c12ab44d0-0` (characters a container name may have)."""
        version = "".join(c if c.isalnum() or c in "._-" else "_" for c in self.version)
        return f"{self.model}-{version}-{self.digest[:12]}-{self.replica}"


@dataclass(frozen=True, slots=True)
class Instance:
    """One observed container or process that this Tidegate instance owns.

    `address` is where the gateway reaches it, None while it has none. `running` False: it ended with `exit_code`.
    `started_at` in epoch seconds. `ref` is the engine's own id (a container id, a process id). `begun` False: it was made
    and not started yet, so it has not ended either.
    """

    name: str
    model: str
    version: str
    digest: str
    replica: int
    address: tuple[str, int] | None
    running: bool
    started_at: float
    ref: str
    exit_code: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    begun: bool = True


@runtime_checkable
class HoldsImages(Protocol):
    """A runtime with images of its own; processes have none."""

    def idle_images(self, names: Collection[str]) -> dict[str, int]:
        """Of these images those that are here and that no container uses, anybody's, with their size in bytes."""
        ...

    def drop_image(self, name: str) -> None:
        """Remove an image that no container uses. Raises NeedsPerson when one does by now."""
        ...


@runtime_checkable
class TellsTrouble(Protocol):
    """A runtime of which single instances may be in trouble while it answers for all others."""

    trouble: TidegateError | None
    """Of the last look; None: none."""


class Runtime(Protocol):
    """A place that runs workloads. Calls are idempotent and safe from several threads.

    Raise NeedsPerson when trying again changes nothing (no such image by that digest), RetryLater otherwise.
    """

    kind: str

    def observe(self) -> list[Instance]:
        """All instances of this Tidegate instance, running or ended; nobody else's."""
        ...

    def start(self, workload: Workload) -> None:
        """Run it unless an instance of that name runs already; an ended one of that name is replaced."""
        ...

    def stop(self, name: str, grace: float) -> None:
        """TERM, then KILL after `grace` seconds, then remove. Unknown names are fine; foreign ones are refused."""
        ...

    def logs(self, name: str, tail: int | None = None, follow: bool = False) -> Iterator[str]:
        """Lines of output, oldest first. Of an ended instance too, as long as it is known."""
        ...

    def watch(self, hint: Callable[[], None]) -> None:
        """Call `hint` soon after anything starts or ends. Hints may be lost or doubled: they are only hints."""
        ...

    def close(self) -> None:
        """Let go of connections and threads; everything that runs goes on running."""
        ...
