"""SQLite as the journal needs it: WAL, a commit is on disk when it returns, explicit transactions, errors for people.

Neighbours: journal.py opens it to write, reader.py to read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, StaticPool

from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError

_BUSY_SECONDS = 10.0


def journal_path(journal: str | Path) -> Path:
    """The file of a path or of a `sqlite:///path` URL. Raises NeedsPerson for another kind of database."""
    word = str(journal)
    if "://" not in word:
        return Path(word)
    if not word.startswith("sqlite:///"):
        raise NeedsPerson(f"'{word.partition(':')[0]}' cannot hold a journal yet", fix="write journal: sqlite:///PATH")
    return Path(word.removeprefix("sqlite:///"))


def writing(path: Path) -> Engine:
    """The one writer's engine: a single connection, shared; its owner serialises."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return _engine(connect, "BEGIN IMMEDIATE", StaticPool)


def reading(path: Path) -> Engine:
    """An engine that can only read, beside a running writer or without one. A connection a use."""

    def connect() -> sqlite3.Connection:
        # `immutable` only where no writer has left anything behind: a folder we may not write has no place for -shm.
        lone = not path.with_name(path.name + "-wal").exists()
        for mode in ("mode=ro", "mode=ro&immutable=1") if lone else ("mode=ro",):
            connection = sqlite3.connect(
                f"file:{quote(str(path.absolute()))}?{mode}",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
            except sqlite3.OperationalError:
                connection.close()
                if mode.endswith("immutable=1") or not lone:
                    raise
            else:
                return connection
        raise sqlite3.OperationalError("unable to open database file")

    return _engine(connect, "BEGIN", NullPool)


def _engine(connect: object, begin: str, pool: type[NullPool] | type[StaticPool]) -> Engine:
    engine = create_engine("sqlite://", creator=connect, poolclass=pool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ones for people."""
    try:
        yield
    except DBAPIError as error:
        raise sort(error.orig or error, path) from error
    except sqlite3.Error as error:
        raise sort(error, path) from error


def sort(error: BaseException, path: Path) -> TidegateError:
    """The error for people: what happened to the journal, and what mends it."""
    words = str(error)
    where = str(path)
    if "full" in words or "disk I/O" in words:
        fix = "free some space on that disk: nothing was half-written, and what serves goes on serving"
        return RetryLater(f"the journal cannot be written: {words}", where=where, fix=fix, delay=10.0)
    if "locked" in words or "busy" in words:
        return RetryLater(f"the journal is busy: {words}", where=where, delay=1.0)
    if "readonly" in words or "unable to open" in words:
        fix = "give the file and its folder to the user Tidegate runs as, or set 'journal' in tidegate.yaml"
        return NeedsPerson(f"the journal cannot be opened: {words}", where=where, fix=fix)
    if "malformed" in words or "not a database" in words or "corrupt" in words:
        fix = "move the file away and start again: Tidegate finds the promoted releases in git"
        return NeedsPerson(f"the journal is damaged: {words}", where=where, fix=fix)
    return NeedsPerson(f"the journal failed: {words}", where=where, fix="tidegate doctor checks it")
