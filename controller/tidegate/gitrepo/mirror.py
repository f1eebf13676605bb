"""The controller's own bare copy of the repository. Missing, half-made or damaged, it is made anew.

Neighbours: tree.py reads, remote.py fetches; revert.py and record.py write through `remote`; the engine owns one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tidegate.gitrepo import tree
from tidegate.gitrepo.access import access_to
from tidegate.gitrepo.git import DamagedRepository, Git, sort
from tidegate.gitrepo.remote import Remote
from tidegate.gitrepo.touch import Question, Touches
from tidegate.gitrepo.tree import CommitInfo
from tidegate.spec.controller import Author
from tidegate.spec.errors import NeedsPerson, RetryLater

NOTES_REF = "refs/notes/tidegate"
_MARKER = "tidegate-mirror"
_RECORD = (f"+{NOTES_REF}*:{NOTES_REF}*", "+refs/tidegate/*:refs/tidegate/*")

T = TypeVar("T")


class Mirror:
    """A bare repository that follows one branch of `url`, its notes and its promoted refs. Safe from several threads.

    `environment` names the promoted refs (`refs/tidegate/<environment>/...`), `author` signs reverts and notes.
    Commits that a force-push left behind stay readable: `refs/keep/*` holds them.
    """

    def __init__(self, path: Path, url: str, branch: str, *, author: Author, environment: str) -> None:
        self.path = path
        self.environment = environment
        self.git = Git(path)
        reached = access_to(url)
        self.remote = Remote(self.git, reached.url, branch, f"refs/tidegate-seen/{branch}", author, reached.environment)
        self._head_ref = self.remote.branch_ref
        self.lock = self.remote.lock
        self._touches = Touches(self.git)
        self._blobs: dict[str, bytes] = {}

    def fetch(self, *, record: bool = True) -> str | None:
        """The newest commit of the branch, None without such a branch (an empty repository).

        With the `record` notes and refs come too; with thousands of routes that takes three times as long. Raises RetryLater
        (network), NeedsPerson (no such repository, refused).
        """
        with self.lock:
            made = self._ensure()
            try:
                return self._fetch(_RECORD if record or made else ())
            except DamagedRepository:
                self._make_anew()
                return self._fetch()

    def head(self) -> str | None:
        """What the last fetch saw; None before the first, and when the branch was not there."""
        return tree.resolve(self.git, self._head_ref) if self.path.is_dir() else None

    def read(self, commit: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
        """Contents of the wanted regular files at `commit`. Raises NeedsPerson for an unknown commit.

        What the last large reading brought is not read again: a commit costs what it changes.
        """
        return self._healed(lambda: self._read(commit, wanted))

    def read_on(
        self, before: str, files: Mapping[str, bytes], commit: str, wanted: Callable[[str], bool]
    ) -> dict[str, bytes]:
        """The same as `read`, from `files`, which are those of the commit `before`: it costs what differs."""
        return self._healed(lambda: self._read_on(before, files, commit, wanted))

    def _read_on(
        self, before: str, files: Mapping[str, bytes], commit: str, wanted: Callable[[str], bool]
    ) -> dict[str, bytes]:
        differ = {path: at for path, at in tree.differing(self.git, before, commit).items() if wanted(path)}
        contents = tree.blobs(self.git, {blob_id for blob_id in differ.values() if blob_id is not None})
        kept = {path: text for path, text in files.items() if path not in differ} if differ else dict(files)
        return kept | {path: contents[blob_id] for path, blob_id in differ.items() if blob_id is not None}

    def _read(self, commit: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
        ids, known = tree.listing(self.git, commit, wanted), self._blobs
        fresh = tree.blobs(self.git, {blob_id for blob_id in ids.values() if blob_id not in known})
        contents = {blob_id: fresh[blob_id] if blob_id in fresh else known[blob_id] for blob_id in ids.values()}
        if len(contents) >= len(known) / 2:
            self._blobs = contents
        return {path: contents[blob_id] for path, blob_id in ids.items()}

    def blob(self, commit: str, path: str) -> bytes | None:
        """One file at `commit`, None when it is not there. Raises NeedsPerson for an unknown commit."""
        return self._healed(lambda: tree.blob(self.git, commit, path))

    def touched(self, commit: str, paths: Iterable[str]) -> str:
        """The newest commit up to `commit` that changed any of these files or folders; `commit` if none ever did."""
        return self._healed(lambda: tree.touched(self.git, commit, paths))

    def describe(self, commit: str) -> CommitInfo:
        """Subject, author and time. Raises NeedsPerson for an unknown commit."""
        return self._healed(lambda: tree.describe(self.git, commit))

    def changed(self, before: str, after: str) -> list[tuple[str, str]]:
        """(status, path) of every file that differs; a rename is a D and an A."""
        return self._healed(lambda: tree.changed(self.git, before, after))

    def changed_between(self, before: str, after: str) -> frozenset[str] | None:
        """Every path that a commit after `before`, up to `after`, changed; None when history was rewritten between."""
        return self._healed(lambda: tree.changed_between(self.git, before, after))

    def asked(self, commit: str, deployment: str, feature: str | None, others: tuple[str, ...]) -> str:
        """The newest commit up to `commit` that changed what a route asks for (touch.py)."""
        return self._healed(lambda: self._touches.newest(commit, deployment, feature, others))

    def asked_by_all(self, commit: str, questions: Sequence[Question]) -> list[str]:
        """The same for many routes, in order."""
        return self._healed(lambda: self._touches.newest_of_all(commit, questions))

    def contains(self, before: str, after: str) -> bool:
        """Whether `before` is part of `after`'s history, or is it; not when one of them is unknown here."""
        return tree.is_ancestor(self.git, before, after)

    def resolve(self, name: str) -> str | None:
        """The full id of a commit, None when it is not here."""
        return tree.resolve(self.git, name)

    def _healed(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except DamagedRepository:
            with self.lock:
                self._make_anew()
                self._fetch()
            return work()

    def _fetch(self, also: tuple[str, ...] = _RECORD) -> str | None:
        """Fetch beside the head, hold what the move would lose, and only then move it: a crash loses no commit."""
        before = self.head()
        after = self.remote.fetch_ref(self.remote.branch_ref, self.remote.tracking, *also)
        if after == before:
            return after
        if after and self.git.ask("cat-file", "-e", f"{after}^{{tree}}").code:
            raise DamagedRepository(f"git: the files of commit {after[:12]} are missing", where=str(self.path))
        if before and not (after and tree.is_ancestor(self.git, before, after)):
            self.git.run("update-ref", f"refs/keep/{before}", before)
        self.git.run("update-ref", *((self._head_ref, after) if after else ("-d", self._head_ref)))
        return after

    def _ensure(self) -> bool:
        """Whether it had to be made: then it has nothing yet."""
        if not self.path.is_dir():
            self._make()
            return True
        if not self._usable():
            self._make_anew()
            return True
        return False

    def _usable(self) -> bool:
        if not (self.path / _MARKER).is_file():
            return False
        answer = self.git.ask("rev-parse", "--is-bare-repository")
        if answer.code and "not a git repository" not in answer.err and str(self.path) not in answer.err:
            raise sort(answer.err)  # git itself is in trouble, not this folder
        return answer.code == 0 and answer.out.strip() == b"true"

    def _make_anew(self) -> None:
        """Away with what is there: ours is removed, anything else is moved aside, never deleted."""
        if (self.path / _MARKER).is_file():
            shutil.rmtree(self.path)
        else:
            aside = next(
                p for n in range(1, 10_000) if not (p := self.path.with_name(f"{self.path.name}.found-{n}")).exists()
            )
            self.path.rename(aside)
        self._make()

    def _make(self) -> None:
        """Built under another name and renamed into place: a mirror that exists is whole."""
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        try:
            for stale in self.path.parent.glob(f".{self.path.name}.*.new"):
                shutil.rmtree(stale)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            git = Git(new)
            git.run("init", "--quiet", "--bare", "--template=", "--object-format=sha1")
            git.run("symbolic-ref", "HEAD", self.remote.branch_ref)
            (new / _MARKER).write_text("Tidegate's copy; made anew when it is deleted.\n", encoding="utf-8")
            new.rename(self.path)
        except PermissionError as error:
            fix = "give the folder to the user Tidegate runs as, or set 'state' in tidegate.yaml"
            raise NeedsPerson(
                f"the mirror cannot be written: {error.strerror}", where=str(self.path), fix=fix
            ) from error
        except OSError as error:
            raise RetryLater(f"the mirror cannot be made: {error.strerror}", where=str(self.path), delay=5.0) from error
