"""The archive: closed files of the record as Parquet, by day, each one a link of the chain. It gives back every line.

A file goes in once, whatever instant this ends at: written beside, checked, renamed, chained, and only then removed.
Neighbours: lines.py has the table, chain.py the links, __main__.py does this in a process of its own, gc asks `overdue`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.artifacts.lock import BusyError, locked
from tidegate.audit import chain as links
from tidegate.audit.chain import Chain, Removal, Segment, Source
from tidegate.audit.lines import LINE, Look, look, originals, readable, session, table
from tidegate.spec.errors import InternalError, NeedsPerson, RetryLater
from tidegate.spec.units import format_duration

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

_PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880, DICTIONARY_SIZE_LIMIT 200000"
# A request id is found by its bloom filter, and this database writes one only for a column with a dictionary.


@dataclass(frozen=True, slots=True)
class Overdue:
    """Segments that retention takes next, and why."""

    segments: tuple[Segment, ...]
    why: str


class Archive:
    """One folder of archived segments; `root` need not be there yet. Several processes may use it: one writes at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def work(self) -> Path:
        """Where what is under way lies; emptied before anything else begins."""
        return self.root / "work"

    def chain(self) -> Chain:
        """The chain as it is. Raises NeedsPerson when it is damaged."""
        return links.load(self.root)

    def path(self, segment: Segment) -> Path:
        """The Parquet file of a segment."""
        return self.root / segment.file

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        try:
            with locked(self.root / "lock", wait=False):
                shutil.rmtree(self.work, ignore_errors=True)
                self.work.mkdir()
                yield
                shutil.rmtree(self.work, ignore_errors=True)
        except BusyError as error:
            raise RetryLater("another process archives the record", where=str(self.root), delay=10.0) from error
        except OSError as error:
            fix = "free some space there, or set `record.keep` or `record.max_size`: the record waits in its files meanwhile"
            raise RetryLater(
                f"the record cannot be archived: {error.strerror or error}",
                where=error.filename or str(self.root),
                fix=fix,
                delay=60.0,
            ) from error

    def take(self, closed: Path, now: float) -> Segment | None:
        """Archive a closed file, whose every reader is done, and remove it; `now`: epoch seconds.

        The segment; the one that it is already, after a crash; None for a file without lines. Raises RetryLater (disk full,
        another process at it, still written to) or InternalError, when what was written does not give back every line.
        """
        with self._writing():
            chain = self.chain()
            self._unlink(chain)
            source, seen = _source(closed), look(closed)
            if source.size != seen.size:
                raise RetryLater("is still written to", where=str(closed), delay=60.0)
            known = next((one for one in chain.links if _is(one, seen)), None)
            segment = known if isinstance(known, Segment) else None
            if segment is None and seen.lines:
                segment = self._add(chain, closed, source, seen, now)
            if _source(closed) != source:
                raise RetryLater("was written to while it was archived: it stays", where=str(closed), delay=60.0)
            closed.unlink()
            links.sync(closed.parent)
            return segment

    def _add(self, chain: Chain, closed: Path, source: Source, seen: Look, now: float) -> Segment:
        import duckdb  # a large library, which the controller itself needs not: its child archives

        number = len(chain.links) + 1
        fresh = self.work / f"{number:08d}.parquet"
        with session(self.work) as database:
            path, longest = readable(closed, seen, self.work)
            try:
                database.execute(f"COPY ({table(path, longest)}) TO '{_quoted(fresh)}' ({_PARQUET})")
                begins, ends, malformed = _facts(database, fresh)
                digest = lines_sha256(database, fresh)
            except duckdb.IOException as error:
                raise RetryLater(
                    f"the record cannot be archived: {error}", where=str(self.root), fix="free some space", delay=60.0
                ) from error
        if digest != seen.sha256:
            raise InternalError(
                "the archived form of a record file does not give back its lines; the file stays as it is",
                where=str(closed),
                fix="please report this, with the file if it may be shown",
            )
        day = datetime.fromtimestamp(begins if begins is not None else source.changed / 1e9, UTC).date()
        file = f"day={day.isoformat()}/{number:08d}.parquet"
        segment = Segment(
            number, chain.head, now, file, seen.lines, malformed, begins, ends, seen.sha256,
            sha256_of(fresh), fresh.stat().st_size, source,
        )  # fmt: skip
        fresh.chmod(0o400)
        _flush(fresh)
        target = self.path(segment)
        target.parent.mkdir(exist_ok=True)
        fresh.replace(target)
        links.sync(target.parent)
        links.sync(self.root)
        links.save(self.root, chain.with_link(segment))
        return segment

    def overdue(self, keep: float | None, max_size: int | None, now: float) -> list[Overdue]:
        """What a retention of `keep` seconds and `max_size` bytes (None: no end) no longer holds."""
        segments = list(self.chain().segments)
        found = []
        if keep is not None:
            old = [one for one in segments if (one.ends if one.ends is not None else one.at) < now - keep]
            if old:
                found.append(Overdue(tuple(old), f"older than record.keep, {format_duration(keep)}"))
            segments = [one for one in segments if one not in old]
        if max_size is not None:
            large, total = [], sum(one.size for one in segments)
            for one in segments:
                if total <= max_size:
                    break
                large.append(one)
                total -= one.size
            if large:
                found.append(Overdue(tuple(large), f"the archive is larger than record.max_size, {max_size:,} bytes"))
        return found

    def remove(self, overdue: Iterable[Overdue], now: float) -> None:
        """Take these segments away, and say so in the chain first: what is missing without a word is a broken link."""
        with self._writing():
            self._unlink(self.chain())
            for one in overdue:
                chain = self.chain()
                there = {segment.link for segment in chain.segments}
                numbers = tuple(segment.link for segment in one.segments if segment.link in there)
                if numbers:
                    chain = chain.with_link(Removal(len(chain.links) + 1, chain.head, now, numbers, one.why))
                    links.save(self.root, chain)
                    self._unlink(chain)

    def _unlink(self, chain: Chain) -> None:
        """Remove the files that the newest link says are removed; one that ended in between is finished here."""
        newest = chain.links[-1] if chain.links else None
        for number in newest.segments if isinstance(newest, Removal) else ():
            segment = chain.links[number - 1]
            if isinstance(segment, Segment):
                path = self.path(segment)
                path.unlink(missing_ok=True)
                if path.parent.is_dir() and not any(path.parent.iterdir()):
                    path.parent.rmdir()


def lines_sha256(database: duckdb.DuckDBPyConnection, parquet: Path) -> str:
    """The digest of the lines that a segment's file gives back. Raises duckdb.Error when it cannot be read."""
    digest = hashlib.sha256()
    asked = f"SELECT {LINE} FROM read_parquet(?)"  # noqa: S608 made of our own words
    for block in originals(database.execute(asked, [str(parquet)])):
        digest.update(block)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """The digest of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_of(segment: Segment, path: Path) -> bool:
    """Whether this file is the one that the segment was made of, and only has to be removed yet."""
    try:
        return _source(path) == segment.source
    except FileNotFoundError:
        return False


def _is(link: links.Link, seen: Look) -> bool:
    return isinstance(link, Segment) and link.lines_sha256 == seen.sha256


def _source(path: Path) -> Source:
    found = path.stat()
    return Source(path.name, found.st_ino, found.st_size, found.st_mtime_ns)


def _facts(database: duckdb.DuckDBPyConnection, parquet: Path) -> tuple[float | None, float | None, int]:
    """The earliest and the latest time, and how many lines are not as Envoy writes them."""
    asked = "SELECT epoch(min(time)), epoch(max(time)), count(*) FILTER (NOT exact AND NOT json_valid(rest)) FROM read_parquet(?)"
    row = database.execute(asked, [str(parquet)]).fetchone()
    if row is None:
        raise NeedsPerson("the archive's file has no answer", where=str(parquet))
    return row[0], row[1], row[2]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
