"""From a route's state to the workloads that have to run: declaration read from git, artifact fetched by digest.

Neighbours: rollout/capacity.py says which releases are hot, catalog.py reads declarations, fleet.py runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tidegate.artifacts.store import Store
from tidegate.engine.catalog import Blob, Catalog
from tidegate.engine.fleet import Need
from tidegate.engine.source import Snapshot
from tidegate.rollout.capacity import hot_releases, replicas
from tidegate.rollout.state import Desired, RouteState
from tidegate.spec.errors import NeedsPerson, TidegateError
from tidegate.spec.release import Release
from tidegate.spec.version import Artifact


class Needs:
    """Makes needs of releases. `blob` gives the bytes of (commit, path): artifacts may live in the repository itself."""

    def __init__(self, catalog: Catalog, store: Store, blob: Blob) -> None:
        self._catalog = catalog
        self._store = store
        self._blob = blob

    def of(
        self, state: RouteState, wish: Desired | None, others: Mapping[str, Need], running: Callable[[str], int]
    ) -> tuple[dict[str, Need], dict[str, TidegateError]]:
        """What this route needs running, by workload; a workload that `others` need too runs as often as the larger need.

        How many replicas: rollout/capacity.py. `running` counts those that are there, where git and the state say nothing.

        Second, by workload, why a release's declaration cannot be read, or cannot be run here: the others need it not.
        """
        needs: dict[str, Need] = {}
        unknown: dict[str, TidegateError] = {}
        numbers = replicas(state, wish.replicas if wish else None, running)
        for release in hot_releases(state):
            number = numbers[release.workload]
            known = needs.get(release.workload) or others.get(release.workload)
            if known is not None:
                needs[release.workload] = replace(known, replicas=max(known.replicas, number))
                continue
            try:
                needs[release.workload] = self._need(release, number)
            except TidegateError as error:
                unknown[release.workload] = error
        return needs, unknown

    def saw(self, snapshot: Snapshot) -> None:
        """A commit has been read: what it asks for need not be read from git once more."""
        asked = (wish.release for wish in snapshot.desired.values() if isinstance(wish, Desired))
        self._catalog.saw(snapshot.declared, asked)

    def keep(self, states: Iterable[RouteState]) -> None:
        """Forget the declarations of releases that no route needs hot any more."""
        self._catalog.keep(release for state in states for release in hot_releases(state))

    def _need(self, release: Release, number: int) -> Need:
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

        return Need(release.model, release.version, release.workload, version.runtime, number, fetch)

    def _fetch(self, artifact: Artifact, commit: str) -> Path:
        def read(path: str) -> bytes:
            content = self._blob(commit, path)
            if content is None:
                raise FileNotFoundError(path)
            return content

        return self._store.fetch(artifact.uri, artifact.sha256, size=artifact.size, read=read)
