"""What Envoy serves from: its files and the runtime layer on disk, and whether Envoy has taken them.

applying.py decides what to write and in which order; files.py has the paths, admin.py asks Envoy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.gateway import cluster, files, mirror, render
from tidegate.gateway.admin import Admin
from tidegate.gateway.files import Folder
from tidegate.spec.errors import InternalError, RetryLater

_MOST_PATIENT = 1.0

Fragments = Mapping[str, bytes]


class RefusedError(InternalError):
    """Envoy does not take a file; the last good one is on disk again."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(
            f"Envoy refuses the new {file}; the old ones keep serving. It says: {reason}",
            where="gateway",
            fix="this is a defect of Tidegate: please report it with this message",
        )


@dataclass(slots=True)
class WatchedFile:
    """A file as it is on disk, the last that Envoy took (version and fragments), and what it refused, and why.

    `counter`: the prefix of Envoy's statistics about it. `assemble` makes version and content of fragments.
    """

    name: str
    path: Path
    counter: str
    assemble: Callable[[Fragments], tuple[str, bytes]]
    version: str
    fragments: Fragments
    good: tuple[str, Fragments]
    live: bool = False
    rejected: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    def write(self, fragments: Fragments) -> bool:
        """Put these on disk; False when they are there already. Raises RefusedError for what Envoy has refused before."""
        if fragments == self.fragments:
            return False
        version, content = self.assemble(fragments)
        if version in self.refused:
            raise RefusedError(self.name, self.refused[version])
        files.replace(self.path, content)
        self.version, self.fragments, self.live = version, fragments, False
        return True

    def take_back(self, reason: str) -> None:
        """A refused file must not be what Envoy finds when it starts again: the last good one goes back."""
        self.refused[self.version] = reason
        self.version, self.fragments = self.good
        files.replace(self.path, self.assemble(self.fragments)[1])


class Live:
    """The files of one gateway folder. `patience`: seconds that one call waits for Envoy to take something."""

    def __init__(
        self,
        folder: Folder,
        admin: Admin,
        alive: Callable[[], bool],
        complaint: Callable[[], str],
        patience: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        """Reads what is on disk: the controller before this one may have written it. `complaint`: Envoy's newest warning."""
        self._folder = folder
        self._admin = admin
        self._alive = alive
        self._complaint = complaint
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._answer = 0.0
        version, clusters = cluster.parse(folder.clusters.read_bytes())
        self.clusters = WatchedFile(
            "clusters",
            folder.clusters,
            "cluster_manager.cds",
            cluster.assemble,
            version,
            clusters,
            (version, clusters),
        )
        version, inner = mirror.parse_listeners(folder.listeners.read_bytes())
        self.listeners = WatchedFile(
            "listeners",
            folder.listeners,
            "listener_manager.lds",
            mirror.listener_file,
            version,
            inner,
            (version, inner),
        )
        version, models, self.shares = render.parse_routes(folder.routes.read_bytes())
        self.routes = WatchedFile(
            "routes", folder.routes, "http.tidegate.rds.tidegate", render.route_file, version, models, (version, models)
        )
        self.keys = folder.read_layer()
        self._keys_confirmed = False

    def doubt(self) -> None:
        """Another Envoy counts from zero, and has to be asked again."""
        self._keys_confirmed = False
        for file in (self.clusters, self.listeners, self.routes):
            file.live, file.rejected = False, self._said(file, None)[1]

    def taken(self, file: WatchedFile) -> bool:
        """Whether Envoy serves from the file as it is on disk. Raises RefusedError when it refuses it."""

        looks = 0

        def look(timeout: float) -> bool:
            nonlocal looks
            looks += 1
            version, rejected = self._said(file, timeout)
            if version == file.version:
                file.live, file.good = True, (file.version, file.fragments)
            elif looks > 1 and rejected > file.rejected:
                file.rejected = rejected
                reason = self._complaint() or "nothing"
                file.take_back(reason)
                raise RefusedError(file.name, reason)
            return file.live

        return file.live or self._poll(look, self._patience, 0.001)

    def _said(self, file: WatchedFile, timeout: float | None) -> tuple[str, int]:
        """The version that Envoy has taken last, and how many it has not taken."""
        name = file.counter.replace(".", "[.]")
        found = self._admin.stats(rf"^{name}[.](version_text|update_rejected|update_failure)$", timeout)
        versions = [value for value in found.values() if isinstance(value, str)]
        return "".join(versions), sum(value for value in found.values() if isinstance(value, int))

    def write_keys(self, keys: dict[str, int]) -> None:
        """Put this layer on disk."""
        if keys != self.keys:
            self._folder.write_layer(keys)
            self.keys = keys
            self._keys_confirmed = False

    def keys_live(self, patience: float | None = None) -> bool:
        """Whether Envoy uses the layer as it is on disk."""
        if not self._keys_confirmed:
            generation = str(self._folder.generation())

            def look(timeout: float) -> bool:
                return self._admin.runtime(timeout).get(files.GENERATION) == generation

            self._keys_confirmed = self._poll(look, self._patience if patience is None else patience, 0.0005)
        return self._keys_confirmed

    def _poll(self, look: Callable[[float], bool], patience: float, pause: float) -> bool:
        """Whether `look` comes true within `patience` seconds. While Envoy reads a large file it does not answer: not yet.

        With thousands of clusters an answer takes longer than that patience: then as long as it takes, up to a second.
        """
        until = self._clock() + patience
        while True:
            began = self._clock()
            try:
                found = look(max(until - began, self._answer, pause))
                self._answer = min(2 * (self._clock() - began), _MOST_PATIENT)
                if found:
                    return True
            except RetryLater:
                if not self._alive():
                    raise
                self._answer = min(2 * max(self._answer, patience), _MOST_PATIENT)
            if self._clock() >= until:
                return False
            self._sleep(pause)
