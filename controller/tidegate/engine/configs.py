"""Inference configs as files, for servers that read them by themselves: plain HTTP, whose bodies the gateway cannot know.

A folder a model, which its servers see as `TIDEGATE_CONFIGS`; a file a content, which the gateway names in a header of each
request. Neighbours: table.py and staging.py ask for a file before they name it, needs.py has servers started with the folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, TypeAlias

from tidegate.engine.catalog import Entry
from tidegate.runtime.interface import Instance
from tidegate.runtime.labels import CONFIGS
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.inference import InferenceConfig

log = logging.getLogger(__name__)

FOLDER: Final = "configs"
"""In the controller's own folder."""
PROTOCOL: Final = "http"
"""The protocol of models whose servers read configs as files."""
IDLE: Final = 3600.0
"""Seconds that a file stays when nobody needs it any more: requests that name it may be under way."""
Files: TypeAlias = Callable[[Entry], str | None]
"""A declaration to the name of the file that has its config, which is there from then on; None where requests say it all."""


def no_file(_entry: Entry) -> str | None:
    """No server reads files."""
    return None


def by_file(entry: Entry) -> InferenceConfig | None:
    """The config that servers of this release read from a file; None where there is none, or the gateway sees to it."""
    return entry.config if entry.model.protocol == PROTOCOL else None


def content_of(config: InferenceConfig) -> bytes:
    """The file: what the config declares as one JSON object; fields that it does not declare are not there."""
    said = config.model_dump(mode="json", exclude={"api", "kind", "reason", "evaluation"}, exclude_unset=True)
    return (json.dumps(said, ensure_ascii=False, sort_keys=True, indent=2) + "\n").encode()


def name_of(config: InferenceConfig) -> str:
    """`default@3f2a9c01d4e5.json`: the config's name, and a digest of the file's content."""
    return f"{config.name}@{hashlib.sha256(content_of(config)).hexdigest()[:12]}.json"


def unseen(config: InferenceConfig, servers: Collection[Instance]) -> NeedsPerson | None:
    """Why these servers cannot read a config from its file, None when they can."""
    blind = [server.name for server in servers if server.running and not server.labels.get(CONFIGS)]
    if not blind:
        return None
    return NeedsPerson(
        f"it cannot read the inference config '{config.name}': it runs without the folder of configs",
        where=blind[0],
        fix="merge a new version, whose servers have it, or stop this one: it is started again with it. If it was started since "
        "the last upgrade, the Docker engine does not see the controller's `state` folder: give both one file system",
    )


class ConfigFiles:
    """The folders of all models in one, `root`. Safe under several threads: a file has its content for good.

    `clock` in seconds, monotonic.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root.absolute()
        self._clock = clock
        self._idle: dict[Path, float] = {}
        self._made: set[str] = set()

    def folder(self, model: str) -> Path:
        """The path of a model's folder."""
        return self._root / model

    def make(self, model: str) -> Path:
        """The folder, made if it is not there. It is never replaced: running containers hold on to it. Raises OSError."""
        folder = self.folder(model)
        if model in self._made and not folder.is_dir():
            log.warning(
                "%s was removed: containers started before do not see the new one until they start again", folder
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._made.add(model)
        if folder.stat().st_mode & 0o777 != 0o755:
            folder.chmod(0o755)  # inside a container another user reads it
        return folder

    def file(self, entry: Entry) -> str | None:
        """See `Files`. Raises OSError when it cannot be written."""
        config = by_file(entry)
        if config is None:
            return None
        path = self.make(entry.model.name) / name_of(config)
        content = content_of(config)
        if not path.is_file() or path.read_bytes() != content:
            _write(path, content)
        return path.name

    def keep(self, entries: Collection[Entry]) -> None:
        """Remove what none of these has needed for an hour, at each call since. Raises OSError."""
        needed = {
            self.folder(entry.model.name) / name_of(config)
            for entry in entries
            if (config := by_file(entry)) is not None
        }
        now = self._clock()
        self._idle = {path: self._idle.get(path, now) for path in self._root.glob("*/*") if path not in needed}
        for path in [path for path, since in self._idle.items() if now - since >= IDLE]:
            path.unlink(missing_ok=True)
            del self._idle[path]


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, on disk before its name is: servers outlive this host's next power cut, and read it then."""
    descriptor, fresh = tempfile.mkstemp(prefix=".", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
