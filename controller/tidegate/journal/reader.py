"""Reading the journal beside a running controller, for the CLI and the API: no lock, no writing, plain dicts.

Neighbours: journal.py adds writing; schema.py has the tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, inspect, select, tuple_

from tidegate.journal.database import journal_path, reading, told
from tidegate.journal.lease import Holder, read_holder
from tidegate.journal.schema import (
    CURSORS,
    EVENTS,
    LOSSES,
    PROBLEMS,
    REPORTS,
    STATES,
    TRAILS,
    VERDICTS,
    check_format,
    read_format,
)
from tidegate.spec.errors import NeedsPerson

Doc = dict[str, Any]

# The events that end or begin what serves on a route; the rest is the way there.
HISTORY = ("promoted", "rolled_back", "fast_rollback", "superseded")


class Reader:
    """A view of one journal. Every call sees one consistent moment. Raises NeedsPerson when it cannot be read."""

    def __init__(self, journal: str | Path) -> None:
        self.path = journal_path(journal)
        if not self.path.is_file():
            fix = "start 'tidegate run' once, or name the journal of the running controller"
            raise NeedsPerson("there is no journal yet", where=str(self.path), fix=fix)
        self._reading: Engine = reading(self.path)
        with self._view() as connection:
            found = read_format(connection)
            check_format(found, self.path)
            if not found:
                raise NeedsPerson("the journal is empty", where=str(self.path), fix="start 'tidegate run' once")

    def close(self) -> None:
        """Let go of the file."""
        self._reading.dispose()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _view(self) -> Iterator[Connection]:
        with told(self.path), self._reading.begin() as connection:
            yield connection

    def state(self, route: str) -> Doc | None:
        """The state of one route as it was put, None when there is none."""
        with self._view() as connection:
            found = connection.execute(select(STATES.c.doc).where(STATES.c.route == route)).scalar()
        return None if found is None else json.loads(found)

    def states(self) -> dict[str, Doc]:
        """The states of all routes, by name."""
        with self._view() as connection:
            return {row.route: json.loads(row.doc) for row in connection.execute(_all_states())}

    def acting(self) -> Holder | None:
        """Which controller acts, or acted last; None when none ever did."""
        with self._view() as connection:
            return read_holder(connection)

    def status(self) -> Doc:
        """`routes` (their states), `problems` (key, `since`, what was put) and `updated_at`, of one moment."""
        with self._view() as connection:
            routes = {row.route: json.loads(row.doc) for row in connection.execute(_all_states())}
            problems = [
                {"key": row.key, "since": row.since, **json.loads(row.doc)}
                for row in connection.execute(
                    select(PROBLEMS.c.key, PROBLEMS.c.since, PROBLEMS.c.doc).order_by(PROBLEMS.c.since, PROBLEMS.c.key)
                )
            ]
            updated = connection.execute(select(func.max(STATES.c.at))).scalar()
        return {"routes": routes, "problems": problems, "updated_at": updated}

    def events(
        self,
        route: str | None = None,
        since: float | None = None,
        limit: int = 100,
        after: int | None = None,
        until: float | None = None,
    ) -> list[Doc]:
        """Events, oldest first, each with its `id`. The newest `limit` of them; with `after` (an id) the next `limit`.

        `since` and `until` (both included): epoch seconds. `route`: that route only.
        """
        query = select(EVENTS.c.id, EVENTS.c.doc)
        if route is not None:
            query = query.where(EVENTS.c.route == route)
        if since is not None:
            query = query.where(EVENTS.c.at >= since)
        if until is not None:
            query = query.where(EVENTS.c.at <= until)
        if after is not None:
            query = query.where(EVENTS.c.id > after).order_by(EVENTS.c.id)
        else:
            query = query.order_by(EVENTS.c.id.desc())
        return sorted(self._rows(query.limit(limit)), key=itemgetter("id"))

    def history(self, route: str | None = None, limit: int = 50) -> list[Doc]:
        """What became of the last `limit` releases, newest first: promoted, rolled back, superseded."""
        query = select(EVENTS.c.id, EVENTS.c.doc).where(EVENTS.c.kind.in_(HISTORY))
        if route is not None:
            query = query.where(EVENTS.c.route == route)
        return self._rows(query.order_by(EVENTS.c.id.desc()).limit(limit))

    def at(self, time: float) -> dict[str, Doc]:
        """For each route, the last event at or before `time` (epoch seconds): its `weights` are what ran then."""
        last = select(func.max(EVENTS.c.id)).where(EVENTS.c.at <= time).group_by(EVENTS.c.route)
        return {doc["route"]: doc for doc in self._rows(select(EVENTS.c.id, EVENTS.c.doc).where(EVENTS.c.id.in_(last)))}

    def verdicts(self, route: str, limit: int = 100) -> list[Doc]:
        """The newest `limit` verdicts on a route, oldest first, each with its `id`."""
        query = select(VERDICTS.c.id, VERDICTS.c.doc).where(VERDICTS.c.route == route).order_by(VERDICTS.c.id.desc())
        return sorted(self._rows(query.limit(limit)), key=itemgetter("id"))

    def trails(self, route: str, release: str | None = None, limit: int = 1) -> list[Doc]:
        """The newest `limit` trials of a route (of one release, its short id), newest first.

        Each with `route`, `release`, `began` (epoch seconds) and `trail` as it was put.
        """
        query = select(TRAILS).where(TRAILS.c.route == route).order_by(TRAILS.c.began.desc()).limit(limit)
        return self._trails(query if release is None else query.where(TRAILS.c.release == release))

    def last_trails(self) -> list[Doc]:
        """The newest trial of each route, as `trails` has it."""
        newest = select(TRAILS.c.route, func.max(TRAILS.c.began)).group_by(TRAILS.c.route)
        return self._trails(select(TRAILS).where(tuple_(TRAILS.c.route, TRAILS.c.began).in_(newest)))

    def _trails(self, query: Select[Any]) -> list[Doc]:
        with self._view() as connection:
            if not inspect(connection).has_table(TRAILS.name):  # as for losses
                return []
            rows = connection.execute(query)
            return [
                {"route": row.route, "release": row.release, "began": row.began, "trail": json.loads(row.doc)}
                for row in rows
            ]

    def verdict_counts(self) -> dict[str, int]:
        """How many verdicts are kept of each route, also of those that are no more."""
        counted = select(VERDICTS.c.route, func.count().label("number")).group_by(VERDICTS.c.route)
        with self._view() as connection:
            return {row.route: row.number for row in connection.execute(counted)}

    def report(self, key: str) -> Doc | None:
        """The report of a validation by its key, None when there is none (any more)."""
        with self._view() as connection:
            found = connection.execute(select(REPORTS.c.doc).where(REPORTS.c.key == key)).scalar()
        return None if found is None else json.loads(found)

    def reports(self) -> dict[str, Doc]:
        """What the newest validation of each release showed, by the release's digest."""
        with self._view() as connection:
            rows = connection.execute(select(REPORTS.c.release, REPORTS.c.doc).order_by(REPORTS.c.at, REPORTS.c.key))
            return {row.release: json.loads(row.doc) for row in rows}

    def losses(self, limit: int = 100) -> list[Doc]:
        """What is missing in the prediction record, as far as anybody noticed: the newest `limit`, oldest first."""
        with self._view() as connection:
            if not inspect(connection).has_table(
                LOSSES.name
            ):  # of a Tidegate that still runs as it was before an upgrade
                return []
        query = select(LOSSES.c.id, LOSSES.c.doc).order_by(LOSSES.c.id.desc()).limit(limit)
        return sorted(self._rows(query), key=itemgetter("id"))

    def cursor(self, name: str) -> Doc | None:
        """A cursor as it was put, None when there is none."""
        with self._view() as connection:
            found = connection.execute(select(CURSORS.c.doc).where(CURSORS.c.name == name)).scalar()
        return None if found is None else json.loads(found)

    def _rows(self, query: Select[Any]) -> list[Doc]:
        with self._view() as connection:
            return [{**json.loads(row.doc), "id": row.id} for row in connection.execute(query)]


def _all_states() -> Select[Any]:
    return select(STATES.c.route, STATES.c.doc).order_by(STATES.c.route)
