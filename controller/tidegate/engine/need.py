"""One workload that has to run, and how it is asked whether it is ready. Neighbours: needs.py makes them, fleet.py meets them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidegate.runtime.interface import Workload
from tidegate.spec.version import Provider
from tidegate.spec.version import Runtime as RuntimeSpec

Question = Callable[[], tuple[bool, str]]
"""Asks a server whether it is ready: and its own words."""
Probe = Callable[[tuple[str, int], str, float], tuple[bool, str]]
"""(address, path, seconds of patience) to whether it is ready, and the reason in words."""
PROBE_TIMEOUT = 2.0
"""Seconds of patience with one probe."""


@dataclass(frozen=True, slots=True)
class Need:
    """One workload that has to run, `replicas` times. `fetch` brings the verified artifact's path, None without one.

    A `provider` serves it elsewhere: `reach` says whether that one answers, within seconds of patience. `configs`: the folder of
    inference configs that its servers read.
    """

    model: str
    version: str
    digest: str
    spec: RuntimeSpec
    replicas: int
    fetch: Callable[[], Path | None]
    provider: Provider | None = None
    reach: Callable[[float], tuple[bool, str]] | None = None
    configs: Path | None = None

    @property
    def question(self) -> str:
        """What a probe asks, in words."""
        return f"GET {self.spec.ready}" if self.provider is None else self.provider.endpoint

    def workload(self, replica: int, artifact: Path | None) -> Workload:
        """One replica of it, ready to start."""
        return Workload(
            self.model,
            self.version,
            self.digest,
            replica,
            self.spec,
            artifact,
            provider=self.provider,
            configs=self.configs,
        )

    def name(self, replica: int) -> str:
        """The instance's name, known before its artifact is."""
        return self.workload(replica, None).name

    def names(self) -> list[str]:
        """The names of all replicas."""
        return [self.name(replica) for replica in range(self.replicas)]

    def asking(self, address: tuple[str, int], probe: Probe) -> Question:
        """What asks one of its instances."""
        if (reach := self.reach) is not None:
            return lambda: reach(PROBE_TIMEOUT)
        return lambda: probe(address, self.spec.ready, PROBE_TIMEOUT)
