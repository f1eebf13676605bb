"""What a release declares, read from git at the release's own commit and remembered by digest.

The stable release may have left HEAD long ago; what it is stays readable. Neighbours: gitrepo/ reads, fleet.py and
table.py need the version, the config and the model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tidegate.rollout.state import Desired
from tidegate.spec.base import Document
from tidegate.spec.declared import Declared, DeclaredModel, load_document
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model
from tidegate.spec.release import Release, route_name
from tidegate.spec.version import ModelVersion

Blob = Callable[[str, str], bytes | None]
D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Entry:
    """The declaration behind one release."""

    model: Model
    version: ModelVersion
    config: InferenceConfig | None


class Catalog:
    """Entries by release and commit: the model's file is no part of the release, and may change under it.

    `blob` gives the bytes of (commit, path), None where there are none. Thread-safe.
    """

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._newest: tuple[Mapping[str, DeclaredModel], Callable[[str], Desired | None]] = ({}, lambda _: None)

    def saw(self, declared: Declared, wish: Callable[[str], Desired | None]) -> None:
        """What the newest commit declares, loaded already, and asks of each route: that need not be read from git again."""
        with self._lock:
            self._newest = declared.models, wish

    def entry(self, release: Release) -> Entry:
        """What this release declares. Raises NeedsPerson when its commit no longer holds it, RetryLater without an answer."""
        with self._lock:
            known = self._entries.get((release.digest, release.commit))
        if known is not None:
            return known
        entry = self._of_head(release) or self._read(release)
        with self._lock:
            return self._entries.setdefault((release.digest, release.commit), entry)

    def _of_head(self, release: Release) -> Entry | None:
        """The same digest is the same version and config; the model's file is the newest, as it is for the gateway."""
        with self._lock:
            models, wish = self._newest
        folder = models.get(release.model)
        if folder is None or folder.model is None or folder.deployment is None:
            return None
        features = (None, *folder.deployment.value.features)
        wishes = (wish(route_name(release.model, feature)) for feature in features)
        asked = next((one.release for one in wishes if one is not None and one.release.digest == release.digest), None)
        if asked is None or "@" in (asked.config or ""):
            return None
        version = folder.versions.get(asked.version)
        config = folder.configs.get(asked.config) if asked.config is not None else None
        if version is None or (asked.config is not None and config is None):
            return None
        return Entry(folder.model.value, version.value, config.value if config is not None else None)

    def _read(self, release: Release) -> Entry:
        folder = f"models/{release.model}"
        config = None
        if release.config is not None:
            name, _, pinned = release.config.partition("@")
            config = self._load(InferenceConfig, pinned or release.commit, f"{folder}/configs/{name}.yaml")
        return Entry(
            model=self._load(Model, release.commit, f"{folder}/model.yaml"),
            version=self._load(ModelVersion, release.commit, f"{folder}/versions/{release.version}.yaml"),
            config=config,
        )

    def keep(self, releases: Iterable[Release]) -> None:
        """Forget all others: a controller lives for months, and sees many releases."""
        kept = {(release.digest, release.commit) for release in releases}
        with self._lock:
            self._entries = {key: entry for key, entry in self._entries.items() if key in kept}

    def _load(self, kind: type[D], commit: str, path: str) -> D:
        text = self._blob(commit, path)
        fix = "git revert the commit that removed it, or declare another release"
        if text is None:
            raise NeedsPerson(f"is not there at commit {commit[:12]}", where=path, fix=fix)
        loaded, problems = load_document(kind, text, path)
        if loaded is None:
            first = problems[0]
            raise NeedsPerson(
                f"{first.message} (at commit {commit[:12]})", where=f"{path}:{first.line}:{first.column}", fix=first.fix
            )
        return loaded.value
