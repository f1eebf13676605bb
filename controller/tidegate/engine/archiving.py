"""Hands closed files of the record to the archive once its reader is done with them, and has the chain's head noted in git.

Read first, then archived: a file goes only when the journal says that the evidence in it was taken, however long that
takes. Neighbours: audit/ archives, gitrepo/anchors.py notes, loop.py has this run now and then.
"""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tidegate.audit.archive import Archive
from tidegate.audit.chain import Chain, Segment
from tidegate.audit.process import Archiver
from tidegate.engine.workers import Done, Workers
from tidegate.gateway.process import has_open
from tidegate.gateway.record import RecordReader
from tidegate.gitrepo.anchors import Anchor, anchor
from tidegate.gitrepo.mirror import Mirror
from tidegate.journal.journal import Journal
from tidegate.spec.controller import RecordSettings
from tidegate.spec.errors import NeedsPerson, TidegateError

log = logging.getLogger(__name__)

KEY = ("archive",)
EVERY = 30.0
ANCHOR_EVERY = 3600.0
ANCHOR = "anchor"
"""The journal's cursor that says what git was told last."""
LEAST_FREE = 1 << 30
"""Bytes on the record's disk below which a person is told."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run did. `wrong`: what a person should know: git does not know the head, the disk is nearly full."""

    made: tuple[Segment, ...]
    removed: int
    chain: Chain
    anchored: Anchor | None
    wrong: TidegateError | None


class Archiving:
    """Called by the loop alone; the work is a job. `now`: epoch seconds."""

    def __init__(
        self,
        archive: Archive,
        reader: RecordReader,
        settings: RecordSettings,
        mirror: Mirror,
        journal: Journal,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        rng: random.Random,
    ) -> None:
        self._archive = archive
        self._reader = reader
        self._settings = settings
        self._mirror = mirror
        self._journal = journal
        self._now = now
        self._sleep = sleep
        self._rng = rng
        self._archiver = Archiver()
        self._next: float | None = None
        self._last: Outcome | None = None

    def due(self, clock: float) -> bool:
        """Whether it is time for a look; told once. `clock` in seconds, of any clock that nobody sets."""
        every = min(EVERY, self._settings.rotate.after)
        if self._next is None:
            self._next = clock + every
        if clock < self._next:
            return False
        self._next = clock + every
        return True

    def submit(self, workers: Workers) -> None:
        """Start a run."""
        workers.submit(KEY, self._run, slow=True)

    def took(self, done: Done) -> TidegateError | None:
        """Take in a run that ended (its key is KEY); what is wrong, if anything."""
        if done.error is not None:
            return done.error
        outcome: Outcome = done.value
        for segment in outcome.made:
            log.info("%d answers of %s are archived and sealed: link %d", segment.lines, segment.day, segment.link)
        if outcome.removed:
            log.info("%d segments of the record were removed: they were past what `record` keeps", outcome.removed)
        self._last = outcome
        return outcome.wrong

    def status(self) -> dict[str, Any] | None:
        """The archive for the status; None before the first look."""
        if self._last is None:
            return None
        segments, anchored = self._last.chain.segments, self._last.anchored
        return {
            "segments": len(segments),
            "lines": sum(one.lines for one in segments),
            "bytes": sum(one.size for one in segments),
            "from": min((one.begins for one in segments if one.begins is not None), default=None),
            "links": len(self._last.chain.links),
            "anchored": anchored.links if anchored is not None else 0,
            "anchored_at": anchored.at if anchored is not None else None,
        }

    def close(self) -> None:
        """Give up what is under way; whoever acts next begins it anew."""
        self._archiver.close()

    def _run(self) -> Outcome:
        files = closed(self._reader.files(), self._journal.cursor("record"))
        made = self._archiver.take(self._archive.root, files, self._now()) if files else []
        overdue = self._archive.overdue(self._settings.keep, self._settings.max_size, self._now())
        if overdue:
            self._archive.remove(overdue, self._now())
        chain = self._archive.chain()
        anchored, wrong = self._tell_git(chain)
        removed = sum(len(one.segments) for one in overdue)
        return Outcome(tuple(made), removed, chain, anchored, wrong or _room(self._reader.path))

    def _tell_git(self, chain: Chain) -> tuple[Anchor | None, TidegateError | None]:
        """Note the head, at most once an hour. The record is archived also where git cannot be told."""
        said = self._journal.cursor(ANCHOR)
        told = Anchor(**said) if said else None
        new = chain.links and (told is None or told.head != chain.head)
        if not new or (told is not None and told.chain == chain.identity and self._now() - told.at < ANCHOR_EVERY):
            return told, None
        made = Anchor(self._mirror.environment, chain.identity, len(chain.links), chain.head, self._now())
        try:
            anchor(self._mirror, made, rng=self._rng, sleep=self._sleep)
            with self._journal.transaction() as transaction:
                transaction.put_cursor(ANCHOR, asdict(made))
        except TidegateError as error:
            return told, error
        return made, None


def closed(files: Sequence[Path], cursor: dict[str, Any] | None) -> list[Path]:
    """Of the record's files, oldest first, those before the one that the journaled cursor stands in, which nobody has open."""
    if not cursor:
        return []
    try:
        inodes = [file.stat().st_ino for file in files]
    except FileNotFoundError:  # the present file was closed in between: the next look finds it under its new name
        return []
    inode = cursor["log"]["inode"]
    read = files[: inodes.index(inode)] if inode in inodes else []
    return [file for file in read if not has_open(file)]


def _room(record: Path) -> NeedsPerson | None:
    free = shutil.disk_usage(record.parent).free if record.parent.is_dir() else LEAST_FREE
    if free >= LEAST_FREE:
        return None
    return NeedsPerson(
        f"only {free >> 20} MiB are free where the record is written: without room its lines are lost",
        where=str(record.parent),
        fix="free some space, or set `record.keep` or `record.max_size` in tidegate.yaml",
    )
