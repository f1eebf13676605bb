"""From a release to the workload that has to run: declaration read from git, artifact fetched by digest.

Neighbours: catalog.py reads declarations, demand.py asks for the releases of all routes, fleet.py runs them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from tidegate.artifacts.store import Store
from tidegate.engine.catalog import Blob, Catalog
from tidegate.engine.configs import PROTOCOL, ConfigFiles
from tidegate.engine.need import Need
from tidegate.engine.providers import Providers
from tidegate.engine.source import Snapshot
from tidegate.rollout.capacity import hot_releases
from tidegate.rollout.state import RouteState
from tidegate.spec.errors import InternalError, NeedsPerson, RetryLater, TidegateError
from tidegate.spec.model import Model
from tidegate.spec.providers import problem
from tidegate.spec.release import Release
from tidegate.spec.version import Artifact, Provider, Runtime

log = logging.getLogger(__name__)


class Needs:
    """Makes needs of releases. `blob` gives the bytes of (commit, path): artifacts may live in the repository itself."""

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        blob: Blob,
        providers: Providers | None,
        configs: ConfigFiles | None = None,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._blob = blob
        self._providers = providers
        self._configs = configs

    def saw(self, snapshot: Snapshot) -> None:
        """A commit has been read: what it asks for need not be read from git once more."""
        self._catalog.saw(snapshot.declared, snapshot.wish)

    def keep(self, states: Iterable[RouteState]) -> None:
        """Forget the declarations of releases that no route needs hot any more, and the files with their configs."""
        hot = [release for state in states for release in hot_releases(state)]
        self._catalog.keep(hot)
        if self._configs is not None:
            try:
                self._configs.keep([self._catalog.entry(release) for release in hot if release.config is not None])
            except (TidegateError, OSError) as error:  # nothing goes while any of them cannot be read
                log.warning("the files of inference configs are not swept: %s", error)

    def of(self, release: Release, replicas: int) -> Need:
        """What a release needs running. Raises NeedsPerson or RetryLater when its declaration cannot be read, or run here."""
        entry = self._catalog.entry(release)
        version = entry.version
        if version.provider is not None:
            return self._of_provider(release, entry.model, version.provider, replicas)
        if version.runtime is None:
            raise InternalError(f"{release.label} has neither a runtime nor a provider", where="needs")
        artifact = version.artifact

        files = self._configs if entry.model.protocol == PROTOCOL else None

        def fetch() -> Path | None:
            if files is not None:
                self._make(files, release.model)
            return self._fetch(artifact, release.commit) if artifact else None

        configs = files.folder(release.model) if files is not None else None
        return Need(release.model, release.version, release.workload, version.runtime, replicas, fetch, configs=configs)

    def _make(self, files: ConfigFiles, model: str) -> None:
        """The folder of configs that a model's servers read, also before there is any: one may come while they run."""
        try:
            files.make(model)
        except OSError as error:
            why = f"the folder of inference configs cannot be made: {error.strerror or error}"
            raise RetryLater(why, where=error.filename, fix="free some space on that disk") from error

    def _of_provider(self, release: Release, model: Model, provider: Provider, replicas: int) -> Need:
        where = f"models/{release.model}/versions/{release.version}.yaml"
        found = problem(provider)
        if found is not None:
            raise NeedsPerson(found.message, where=f"{where}: provider.{found.field}", fix=found.fix)
        reached = self._providers
        if reached is None:
            raise InternalError(f"{release.label} has a provider, and this controller reaches none", where=where)
        if model.protocol != "openai":
            message = f"{release.label} is served by an API provider, whose protocol is not {model.protocol}"
            raise NeedsPerson(message, where=where, fix="declare 'protocol: openai' for a model of its own")
        return Need(
            release.model,
            release.version,
            release.workload,
            Runtime(),
            replicas,
            lambda: None,
            provider,
            lambda patience: reached.reach(provider, patience),
        )

    def _fetch(self, artifact: Artifact, commit: str) -> Path:
        def read(path: str) -> bytes:
            content = self._blob(commit, path)
            if content is None:
                raise FileNotFoundError(path)
            return content

        return self._store.fetch(artifact.uri, artifact.sha256, size=artifact.size, read=read)
