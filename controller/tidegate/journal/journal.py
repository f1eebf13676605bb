"""The durable record of one controller: route states, events, verdicts, cursors. On disk before an effect counts.

Neighbours: the engine owns one; reader.py is the half that the CLI uses; the documents are the caller's plain dicts.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from tidegate.journal.database import journal_path, reading, told, writing
from tidegate.journal.lease import Holder, Lease, LeaseLost, Patience, held_by, read_holder, this_process
from tidegate.journal.lock import OwnerLock
from tidegate.journal.reader import Reader
from tidegate.journal.schema import CURSORS, EVENTS, LOSSES, PROBLEMS, REPORTS, STATES, TRAILS, VERDICTS, lift
from tidegate.spec.errors import NeedsPerson, TidegateError

log = logging.getLogger(__name__)

KEPT_VERDICTS = 2000
KEPT_REPORTS = 1000
KEPT_TRAILS = 50
KEPT_LOSSES = 10_000


class Transaction:
    """What is written together, or not at all. Documents are dicts that JSON can hold; times are epoch seconds."""

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._now = now

    def put_state(self, route: str, doc: Mapping[str, Any]) -> None:
        """The route's whole state, in place of the one before."""
        self._put(STATES, {"route": route}, {"at": self._now, "doc": _dump(doc)})

    def drop_state(self, route: str) -> None:
        """Forget a route's state; its events stay."""
        self._connection.execute(delete(STATES).where(STATES.c.route == route))

    def add_events(self, docs: Iterable[Mapping[str, Any]]) -> None:
        """Append events. Each has `at`, `route` and `kind`; the rest is the caller's."""
        rows = [{"at": doc["at"], "route": doc["route"], "kind": str(doc["kind"]), "doc": _dump(doc)} for doc in docs]
        if rows:
            self._connection.execute(EVENTS.insert(), rows)

    def add_verdict(self, route: str, doc: Mapping[str, Any]) -> None:
        """Append a verdict; of each route the newest 2,000 stay."""
        self._connection.execute(VERDICTS.insert().values(at=doc.get("at", self._now), route=route, doc=_dump(doc)))
        mine = VERDICTS.c.route == route
        newest = select(VERDICTS.c.id).where(mine).order_by(VERDICTS.c.id.desc()).limit(1).offset(KEPT_VERDICTS)
        self._connection.execute(delete(VERDICTS).where(mine, VERDICTS.c.id <= newest.scalar_subquery()))

    def put_trail(self, route: str, release: str, began: float, doc: Mapping[str, Any]) -> None:
        """The evidence of one trial so far, in place of what was there; of each route the newest 50 trials stay."""
        self._put(TRAILS, {"route": route, "release": release, "began": began}, {"doc": _dump(doc)})
        mine = TRAILS.c.route == route
        oldest = select(TRAILS.c.began).where(mine).order_by(TRAILS.c.began.desc()).limit(1).offset(KEPT_TRAILS)
        self._connection.execute(delete(TRAILS).where(mine, TRAILS.c.began <= oldest.scalar_subquery()))

    def drop_verdicts(self, route: str) -> None:
        """Forget all verdicts on a route; its events stay."""
        self._connection.execute(delete(VERDICTS).where(VERDICTS.c.route == route))

    def put_report(self, key: str, release: str, doc: Mapping[str, Any]) -> None:
        """What a validation of the release (its digest) showed, in place of one of the same key; the newest 1,000 stay."""
        self._put(REPORTS, {"key": key}, {"at": doc.get("at", self._now), "release": release, "doc": _dump(doc)})
        newest = select(REPORTS.c.key).order_by(REPORTS.c.at.desc()).limit(KEPT_REPORTS)
        self._connection.execute(delete(REPORTS).where(REPORTS.c.key.not_in(newest)))

    def put_cursor(self, name: str, doc: Mapping[str, Any]) -> None:
        """How far something was read, such as the prediction record: file, offset."""
        self._put(CURSORS, {"name": name}, {"doc": _dump(doc)})

    def add_losses(self, docs: Iterable[Mapping[str, Any]]) -> None:
        """Append what is missing in the prediction record. Each has `at` (when it was noticed) and `kind`; newest 10,000 stay."""
        rows = [{"at": doc["at"], "kind": str(doc["kind"]), "doc": _dump(doc)} for doc in docs]
        if rows:
            self._connection.execute(LOSSES.insert(), rows)
            newest = select(LOSSES.c.id).order_by(LOSSES.c.id.desc()).limit(1).offset(KEPT_LOSSES)
            self._connection.execute(delete(LOSSES).where(LOSSES.c.id <= newest.scalar_subquery()))

    def put_problem(self, key: str, doc: Mapping[str, Any]) -> None:
        """Something a person should know; `since` stays at its first time until it is cleared."""
        since = select(PROBLEMS.c.since).where(PROBLEMS.c.key == key).scalar_subquery()
        self._put(PROBLEMS, {"key": key}, {"since": func.coalesce(since, self._now), "doc": _dump(doc)})

    def clear_problem(self, key: str) -> None:
        """The problem is over. Unknown keys are fine."""
        self._connection.execute(delete(PROBLEMS).where(PROBLEMS.c.key == key))

    def _put(self, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        statement = insert(table).values(**key, **values)
        self._connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


class Journal(Reader):
    """The journal of the controller that acts; all that a Reader can, and `transaction`. Safe from several threads.

    `journal`: a path, or `sqlite:///path`; made when it is not there. `now`: epoch seconds; `clock`: seconds that only go
    forward. `patience`: what was seen of another controller's lease in earlier attempts. `name`: who this one is, for people.
    Raises LeaseHeld while another controller acts, NeedsPerson when the journal is damaged, read-only or of a newer
    Tidegate, RetryLater when the disk is full.
    """

    def __init__(
        self,
        journal: str | Path,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        patience: Patience | None = None,
        name: str = "",
    ) -> None:
        path = journal_path(journal)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fix = "set 'state' or 'journal' in tidegate.yaml to a folder that can be written"
            raise NeedsPerson(
                f"the journal's folder cannot be made: {error.strerror}", where=str(path), fix=fix
            ) from error
        self._now = now
        self._writer = threading.Lock()
        self._owner = OwnerLock(path.with_name(path.name + ".lock"))
        self._lease = Lease(clock, name or this_process())
        self._writing = writing(path)
        watched = patience or Patience(clock)
        try:
            if not self._owner.held:
                _look_on(path, watched)
            with told(path), self._writing.begin() as connection:
                _check(connection, path)
                lift(connection, path)
                self._lease.take(connection, watched, locked=self._owner.held, now=now())
            super().__init__(path)
        except BaseException:
            self._writing.dispose()
            self._owner.release()
            raise

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Everything put inside is on disk when the block ends, or, when it raises, nothing of it.

        Raises RetryLater when the disk is full, NeedsPerson when the journal is damaged or read-only, LeaseLost when another
        controller acts by now.
        """
        with self._writer:
            with told(self.path), self._writing.begin() as connection:
                durable = self._lease.check(connection, locked=self._owner.take())
                yield Transaction(connection, self._now())
            durable()

    @property
    def ours(self) -> bool:
        """Whether this controller is the one that acts: for jobs that begin. Costs nothing while the lease is fresh."""
        if self._lease.holds:
            return True
        try:
            with self._view() as connection:
                self._lease.still_ours(connection)
        except TidegateError:
            return False
        return True

    @property
    def holder(self) -> Holder | None:
        """This controller as the one that acts."""
        return self._lease.mine

    def hold(self) -> None:
        """Say that this controller lives, when it is time to. Raises LeaseLost when another one acts: do nothing more then.

        Costs nothing in between. Where nothing can be written nobody else can take over either, and this one goes on.
        """
        if not self._lease.due:
            return
        try:
            with self.transaction():
                pass
        except LeaseLost:
            raise
        except TidegateError:
            if not self._lease.holds:
                with self._view() as connection:
                    self._lease.still_ours(connection)

    def close(self) -> None:
        """Let the next controller in, at once."""
        try:
            with self._writer, told(self.path), self._writing.begin() as connection:
                self._lease.release(connection)
        except TidegateError as error:
            log.info("the lease was not given back, and ends by itself: %s", error.message)
        super().close()
        self._writing.dispose()
        self._owner.release()


def _look_on(path: Path, patience: Patience) -> None:
    """Watch the lease without a word to the database. Raises LeaseHeld; whatever else is wrong is told by who opens it."""
    engine = reading(path)
    try:
        with told(path), engine.begin() as connection:
            there = read_holder(connection)
    except TidegateError:
        return
    finally:
        engine.dispose()
    if there is not None and there.owner and not patience.over(there):
        raise held_by(there)


def _check(connection: Connection, path: Path) -> None:
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        fix = "move the file away and start again: Tidegate finds the promoted releases in git"
        raise NeedsPerson(f"the journal is damaged: {found}", where=str(path), fix=fix)


def _dump(doc: Mapping[str, Any]) -> str:
    return json.dumps(doc, separators=(",", ":"), ensure_ascii=False)
