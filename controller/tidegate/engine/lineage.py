"""From a line of the record to what exactly answered: the declaration behind the release, read from git at its own commit.

Neighbours: catalog.py and source.py read declarations, gitrepo/ brings them; `tidegate audit` and `tidegate at` show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.engine.catalog import Catalog
from tidegate.engine.settings import Settings
from tidegate.engine.source import Source
from tidegate.gitrepo.clone import origin_of
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Record
from tidegate.spec.declared import load, wanted
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.release import Release, split_route


def reading_mirror(settings: Settings, folder: Path) -> Mirror:
    """The repository, to read: the controller's own copy where there is one, else one made in `folder`.

    Raises RetryLater, NeedsPerson when it has to be fetched and cannot be.
    """
    own = settings.state / "repository.git"
    url = settings.repository
    if url == str(settings.root):
        url = origin_of(settings.root) or url
    declared = settings.controller
    mirror = Mirror(
        own if own.is_dir() else folder / "repository.git",
        url,
        declared.branch,
        author=declared.author,
        environment=declared.environment,
    )
    if not own.is_dir():
        mirror.fetch()
    return mirror


class Lineage:
    """Reads declarations of releases that answered. Remembers them: many lines are of one release."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._catalog = Catalog(mirror.blob)
        self._source = Source(mirror, Record(mirror), mirror.environment)
        self._known: dict[tuple[str, str, str], dict[str, Any]] = {}

    def of(self, line: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the release of a record line was; None for an answer that no release gave. Raises NeedsPerson when git no longer

        has its commit, or nothing that can be read there.
        """
        route, release, commit = line.get("route"), line.get("release"), line.get("commit")
        if not route or not release or not commit:
            return None
        key = (str(route), str(release), str(commit))
        if key not in self._known:
            self._known[key] = self._read(*key, line)
        return self._known[key]

    def _read(self, route: str, release: str, commit: str, line: Mapping[str, Any]) -> dict[str, Any]:
        model, _ = split_route(route)
        config = line.get("config")
        digest = self._source.digest_at(route, commit)
        declared = self._catalog.entry(
            Release(model, str(line["version"]), config, digest or release, digest or release, commit)
        )
        info = self._mirror.describe(commit)
        version, artifact, runtime = declared.version, declared.version.artifact, declared.version.runtime
        return {
            "digest": digest if digest is not None and digest.startswith(release) else None,
            "digest_at_commit": digest,
            "commit": {"id": info.commit, "subject": info.subject, "author": info.author, "at": info.time},
            "artifact": {"uri": artifact.uri, "sha256": artifact.sha256, "format": artifact.format}
            if artifact
            else None,
            "adapters": [{"name": one.name, "uri": one.uri, "sha256": one.sha256} for one in version.adapters],
            "image": runtime.image if runtime is not None else None,
            "code": version.code.commit if version.code is not None else None,
            "provider": version.provider.model if version.provider is not None else None,
            "config": declared.config.model_dump(exclude_none=True, exclude={"evaluation"}, mode="json")
            if declared.config is not None
            else None,
            "policy": self._policy(model, commit),
        }

    def _policy(self, model: str, commit: str) -> str | None:
        files = self._mirror.read(commit, lambda path: path.startswith(f"models/{model}/") and wanted(path))
        found = load(files, self._mirror.environment).models.get(model)
        return found.deployment.value.policy if found is not None and found.deployment is not None else None


def unknown(error: NeedsPerson) -> str:
    """Why a declaration is not known, in one line."""
    return f"{error.where}: {error.message}" if error.where else error.message
