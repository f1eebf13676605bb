"""From a release to the workload that has to run: declaration read from git, artifact fetched by digest.

Neighbours: catalog.py reads declarations, demand.py asks for the releases of all routes, fleet.py runs them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tidegate.artifacts.store import Store
from tidegate.engine.catalog import Blob, Catalog
from tidegate.engine.fleet import Need
from tidegate.engine.source import Snapshot
from tidegate.rollout.capacity import hot_releases
from tidegate.rollout.state import RouteState
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.release import Release
from tidegate.spec.version import Artifact


class Needs:
    """Makes needs of releases. `blob` gives the bytes of (commit, path): artifacts may live in the repository itself."""

    def __init__(self, catalog: Catalog, store: Store, blob: Blob) -> None:
        self._catalog = catalog
        self._store = store
        self._blob = blob

    def saw(self, snapshot: Snapshot) -> None:
        """A commit has been read: what it asks for need not be read from git once more."""
        self._catalog.saw(snapshot.declared, snapshot.wish)

    def keep(self, states: Iterable[RouteState]) -> None:
        """Forget the declarations of releases that no route needs hot any more."""
        self._catalog.keep(release for state in states for release in hot_releases(state))

    def of(self, release: Release, replicas: int) -> Need:
        """What a release needs running. Raises NeedsPerson or RetryLater when its declaration cannot be read, or run here."""
        version = self._catalog.entry(release).version
        if version.runtime is None:
            raise NeedsPerson(
                f"{release.label} is served by an API provider, which this gateway does not reach yet",
                where=f"models/{release.model}/versions/{release.version}.yaml",
                fix="declare a version with 'artifact' and 'runtime'",
            )
        artifact = version.artifact

        def fetch() -> Path | None:
            return self._fetch(artifact, release.commit) if artifact else None

        return Need(release.model, release.version, release.workload, version.runtime, replicas, fetch)

    def _fetch(self, artifact: Artifact, commit: str) -> Path:
        def read(path: str) -> bytes:
            content = self._blob(commit, path)
            if content is None:
                raise FileNotFoundError(path)
            return content

        return self._store.fetch(artifact.uri, artifact.sha256, size=artifact.size, read=read)
