"""Hints that something was pushed: a local repository's refs are watched; everything else the caller polls.

Hints may be lost or doubled: the next fetch decides. Neighbours: the engine polls at `jittered` intervals besides.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from watchdog.events import (
    DirCreatedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from tidegate.gitrepo.git import Git
from tidegate.spec.errors import NeedsPerson

# Never `opened` or `closed without writing`: whoever reads the ref on a hint would wake itself.
_WRITES = (DirCreatedEvent, FileClosedEvent, FileCreatedEvent, FileModifiedEvent, FileMovedEvent)


def jittered(interval: float, rng: random.Random) -> float:
    """Seconds to the next poll: `interval`, 20 % more or less, so that many controllers never poll in step."""
    return interval * rng.uniform(0.8, 1.2)


def local_path(url: str) -> Path | None:
    """The folder that a path or `file://` URL names, None for one elsewhere (`https://`, `ssh://`, `host:path`)."""
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    if "://" in url or (":" in url.partition("/")[0]):
        return None
    return Path(url)


class Watch:
    """Calls `hint` soon after a branch of a local repository moved. `hint` runs on another thread: it must be quick."""

    def __init__(self, url: str, branch: str, hint: Callable[[], None]) -> None:
        self._url = url
        self._branch = branch
        self._hint = hint
        self._observer: BaseObserver | None = None
        self._watched: tuple[tuple[str, int], ...] = ()

    def start(self) -> bool:
        """Watch, or go on watching; True when pushes are noticed at once, False when only polling tells.

        Call it again at every poll: a repository that was made or made anew since is found then.
        """
        folders = self._folders()
        watched = tuple((str(folder), folder.stat().st_ino) for folder in folders)
        if self._observer is not None and watched == self._watched and self._observer.is_alive():
            return True
        self.stop()
        if not folders:
            return False
        git_dir, heads = folders
        handler = _Handler({heads / self._branch, git_dir / "packed-refs"}, self._hint)
        observer = Observer()
        try:
            observer.schedule(handler, str(git_dir))
            observer.schedule(handler, str(heads), recursive=True)
            observer.start()
        except OSError:  # the system's limit of watches is reached: polling goes on telling
            return False
        self._observer, self._watched = observer, watched
        return True

    def stop(self) -> None:
        """End the watching thread."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    def _folders(self) -> tuple[Path, Path] | tuple[()]:
        """The repository's folder and its `refs/heads`; nothing for a remote, or while there is no repository."""
        path = local_path(self._url)
        if path is None or not path.is_dir():
            return ()
        try:
            common = Git.of_clone(path).line("rev-parse", "--path-format=absolute", "--git-common-dir")
        except NeedsPerson:
            return ()
        heads = Path(common, "refs", "heads")
        return (Path(common), heads) if heads.is_dir() else ()


class _Handler(FileSystemEventHandler):
    """Lets through what changes the branch: its file (or a folder on the way to it) and packed-refs."""

    def __init__(self, files: set[Path], hint: Callable[[], None]) -> None:
        self._files = {str(file) for file in files}
        self._folders = {str(folder) for file in files for folder in file.parents}
        self._hint = hint

    def on_any_event(self, event: FileSystemEvent) -> None:
        names = {str(event.src_path), str(event.dest_path)}
        wanted = self._files | self._folders if isinstance(event, DirCreatedEvent) else self._files
        if isinstance(event, _WRITES) and names & wanted:
            self._hint()
