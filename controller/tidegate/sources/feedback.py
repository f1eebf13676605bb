"""Feedback on single answers, by request id: on disk before it is accepted, joined with who answered, and then in order.

A file beside the journal: who answered (the newest requests, within the retention), what was reported, and the queue of
what could be joined, which each rollout reads in its own time. Neighbours: api/ takes reports in, the engine feeds the
index and reads the queue.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from tidegate.journal.database import told, writing
from tidegate.sources.reports import Report
from tidegate.spec.errors import TidegateError

WAIT: Final = 60.0
"""Seconds that a report waits for its request: the gateway writes its record a moment after the answer."""
SHOWN: Final = 10
LABELS: Final = 10_000
"""Labels of a route that are read at a time."""
_UNCLEAR: Final = 0
_FORMAT: Final = "1"
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS arms (id INTEGER PRIMARY KEY, route TEXT, release TEXT, segment TEXT,"
    " UNIQUE (route, release, segment))",
    "CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY, request BLOB UNIQUE, at REAL, arm INTEGER)",
    "CREATE TABLE IF NOT EXISTS reports (request BLOB, metric TEXT, value REAL, found REAL, at REAL, waits INTEGER,"
    " PRIMARY KEY (request, metric)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS waiting ON reports (at) WHERE waits",
    "CREATE INDEX IF NOT EXISTS reports_by_time ON reports (at)",
    "CREATE TABLE IF NOT EXISTS queue (seq INTEGER PRIMARY KEY AUTOINCREMENT, route TEXT, release TEXT, segment TEXT,"
    " metric TEXT, value REAL, answered REAL, at REAL)",
    "CREATE INDEX IF NOT EXISTS queue_by_route ON queue (route, seq)",
    "CREATE TABLE IF NOT EXISTS counts (route TEXT, name TEXT, n INTEGER, PRIMARY KEY (route, name)) WITHOUT ROWID",
)


@dataclass(frozen=True, slots=True)
class Label:
    """One value that could be joined. `answered`: when its request was; `at`: when it came. Epoch seconds."""

    seq: int
    release: str
    segment: str | None
    metric: str
    value: float
    answered: float
    at: float


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of reports: how many were `accepted`, `duplicate`, `unasked`, `unclear`, `out_of_bounds` (among the
    accepted) or `waiting`; and the first request ids that wait, since the record does not have them (yet)."""

    counts: Mapping[str, int]
    unknown: list[str]


Bounds = Mapping[str, Mapping[str, tuple[float, float]]]
"""By route and metric: the metrics that its policy asks feedback for, and the bounds of each."""


class Feedback:
    """The store. Safe from several threads. `retention` in seconds; `most`: requests that are known at a time.

    `now`: epoch seconds. Raises RetryLater when the disk is full, NeedsPerson when the file is damaged or read-only.
    """

    def __init__(self, path: Path, *, retention: float, most: int, now: Callable[[], float]) -> None:
        self.path = path
        self._retention = retention
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._arms: dict[tuple[str, str, str | None], int] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = writing(path)
        with _told(path), self._engine.begin() as connection:
            for statement in _TABLES:
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (_FORMAT,))

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    # -- who answered --------------------------------------------------------------------------------------------------

    def cursor(self) -> dict[str, Any] | None:
        """How far the record is indexed; None: not at all yet."""
        with self._lock, _told(self.path), self._engine.begin() as connection:
            row = connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'cursor'").fetchone()
        return orjson.loads(row[0]) if row is not None else None

    def index(self, records: Sequence[tuple[str, float, str, str, str | None]], cursor: Mapping[str, Any]) -> None:
        """Remember who answered: (request id, moment of the answer, route, release, segment); the record was read up to
        `cursor`. In one transaction, so that no crash loses or repeats one. An id that two releases answered to is unclear.
        """
        with self._lock, _told(self.path), self._engine.begin() as connection:
            rows = [(_key(request), at, self._arm(connection, route, release, segment))
                    for request, at, route, release, segment in records]  # fmt: skip
            if rows:
                connection.exec_driver_sql(
                    "INSERT INTO requests (request, at, arm) VALUES (?, ?, ?) ON CONFLICT (request) DO UPDATE"
                    " SET arm = 0 WHERE arm != excluded.arm",
                    rows,
                )
            connection.exec_driver_sql(
                "INSERT OR REPLACE INTO meta VALUES ('cursor', ?)", (orjson.dumps(dict(cursor)).decode(),)
            )

    def _arm(self, connection: Connection, route: str, release: str, segment: str | None) -> int:
        key = (route, release, segment)
        if key not in self._arms:
            values = (route, release, segment or "")
            connection.exec_driver_sql("INSERT OR IGNORE INTO arms (route, release, segment) VALUES (?, ?, ?)", values)
            found = connection.exec_driver_sql(
                "SELECT id FROM arms WHERE route = ? AND release = ? AND segment = ?", values
            ).fetchone()
            self._arms[key] = int(found[0]) if found is not None else _UNCLEAR
        return self._arms[key]

    # -- what is reported ----------------------------------------------------------------------------------------------

    def accept(self, reports: Iterable[Report], asked: Bounds) -> Accepted:
        """Take reports in; they are on disk when this returns. The first report of a metric on a request stands.

        What is unknown waits, since its request may be in the record a moment later, and is given up after WAIT seconds.
        """
        now = self._now()
        counts: Counter[tuple[str, str]] = Counter()
        unknown: list[str] = []
        with self._lock, _told(self.path), self._engine.begin() as connection:
            for report in reports:
                found = self._take(connection, report, asked, now)
                counts.update(found)
                if found == [("", "waiting")] and len(unknown) < SHOWN:
                    unknown.append(report.request)
            self._count(connection, counts)
        return Accepted({name: sum(n for (_, one), n in counts.items() if one == name) for _, name in counts}, unknown)

    def _take(self, connection: Connection, report: Report, asked: Bounds, now: float) -> list[tuple[str, str]]:
        key = _key(report.request)
        who = _who(connection, key)
        if who is not None and who[0] is None:
            return [("", "unclear")]
        route = str(who[0]) if who is not None else ""
        if who is not None and report.metric not in asked.get(route, {}):
            return [(route, "unasked")]
        made = connection.exec_driver_sql(
            "INSERT OR IGNORE INTO reports VALUES (?, ?, ?, ?, ?, ?)",
            (key, report.metric, report.value, report.at, now, who is None),
        )
        if not made.rowcount:
            return [(route, "duplicate")]
        if who is None:
            return [("", "waiting")]
        return self._join(connection, report.metric, report.value, who, asked, now)

    def _join(
        self, connection: Connection, metric: str, value: float, who: tuple[Any, ...], asked: Bounds, now: float
    ) -> list[tuple[str, str]]:
        route, release, segment, answered = who
        connection.exec_driver_sql(
            "INSERT INTO queue (route, release, segment, metric, value, answered, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (route, release, segment, metric, value, answered, now),
        )
        low, high = asked[route][metric]
        within = low <= value <= high
        return [(route, "accepted")] if within else [(route, "accepted"), (route, "out_of_bounds")]

    def join(self, asked: Bounds) -> bool:
        """Join what waited with the requests that are known by now, give up what waited too long, and drop what is older
        than the retention. True when something was joined."""
        now = self._now()
        counts: Counter[tuple[str, str]] = Counter()
        joined = False
        with self._lock, _told(self.path), self._engine.begin() as connection:
            waiting = connection.exec_driver_sql(
                "SELECT p.request, p.metric, p.value, p.at, a.route, a.release, a.segment, r.at, r.arm FROM reports p"
                " LEFT JOIN requests r ON r.request = p.request LEFT JOIN arms a ON a.id = r.arm WHERE p.waits"
            ).fetchall()
            for key, metric, value, came, route, release, segment, answered, arm in waiting:
                if arm is None and now - came < WAIT:
                    continue
                there = arm is not None and route is not None and metric in asked.get(route, {})
                if there:
                    joined = True
                    who = (route, release, segment, answered)
                    counts.update(self._join(connection, metric, value, who, asked, now))
                    connection.exec_driver_sql(
                        "UPDATE reports SET waits = 0 WHERE request = ? AND metric = ?", (key, metric)
                    )
                else:
                    why = "unknown" if arm is None else "unclear" if route is None else "unasked"
                    counts[(route or "", why)] += 1
                    connection.exec_driver_sql("DELETE FROM reports WHERE request = ? AND metric = ?", (key, metric))
            self._count(connection, counts)
            self._forget(connection, now - self._retention)
        return joined

    def _forget(self, connection: Connection, since: float) -> None:
        """Drop what is older than `since`, and of the requests the oldest beyond the number that is kept."""
        newest = connection.exec_driver_sql("SELECT max(id) FROM requests").scalar() or 0
        oldest = connection.exec_driver_sql(
            "SELECT min(id) FROM (SELECT id FROM requests WHERE at >= ? ORDER BY id LIMIT 1)", (since,)
        ).scalar()
        last = max(newest - self._most, (oldest if oldest is not None else newest + 1) - 1)
        connection.exec_driver_sql("DELETE FROM requests WHERE id <= ?", (last,))
        connection.exec_driver_sql("DELETE FROM reports WHERE at < ?", (since,))
        first = connection.exec_driver_sql(
            "SELECT seq FROM queue WHERE at >= ? ORDER BY seq LIMIT 1", (since,)
        ).scalar()
        if first is not None:
            connection.exec_driver_sql("DELETE FROM queue WHERE seq < ?", (first,))
        else:
            connection.exec_driver_sql("DELETE FROM queue WHERE at < ?", (since,))

    # -- what rollouts read --------------------------------------------------------------------------------------------

    def since(self, route: str, seq: int, at: float, limit: int = LABELS) -> list[Label]:
        """The labels of a route that were joined after `seq` and came since `at` (epoch seconds), in that order."""
        with self._lock, _told(self.path), self._engine.begin() as connection:
            rows = connection.exec_driver_sql(
                "SELECT seq, release, segment, metric, value, answered, at FROM queue"
                " WHERE route = ? AND seq > ? AND at >= ? ORDER BY seq LIMIT ?",
                (route, seq, at, limit),
            ).fetchall()
        return [Label(row[0], row[1], row[2] or None, *row[3:]) for row in rows]

    def counts(self) -> dict[str, dict[str, int]]:
        """Since the file was made: reports by route ('' where that is not known) and by what became of them."""
        with self._lock, _told(self.path), self._engine.begin() as connection:
            found: dict[str, dict[str, int]] = {}
            for route, name, number in connection.exec_driver_sql("SELECT route, name, n FROM counts"):
                found.setdefault(route, {})[name] = number
            waiting = connection.exec_driver_sql("SELECT count(*) FROM reports WHERE waits").scalar()
        found.setdefault("", {})["waiting"] = int(waiting or 0)
        return found

    def _count(self, connection: Connection, counts: Mapping[tuple[str, str], int]) -> None:
        rows = [(route, name, number) for (route, name), number in counts.items() if name != "waiting"]
        if rows:
            connection.exec_driver_sql(
                "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (route, name) DO UPDATE SET n = n + excluded.n", rows
            )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's errors for people, in the words of this file."""
    try:
        with told(path):
            yield
    except TidegateError as error:
        error.message = error.message.replace("the journal", "the feedback store")
        if "damaged" in error.message:
            error.fix = (
                "move the file away and start again: labels of requests that were answered before are unknown then"
            )
        raise


def _who(connection: Connection, key: bytes) -> tuple[Any, ...] | None:
    """Route, release, segment and moment of a request; None where it is not known, a route of None where it is unclear."""
    row = connection.exec_driver_sql(
        "SELECT a.route, a.release, a.segment, r.at FROM requests r LEFT JOIN arms a ON a.id = r.arm"
        " WHERE r.request = ?",
        (key,),
    ).fetchone()
    return tuple(row) if row is not None else None


def _key(request: str) -> bytes:
    """A request id as it is kept: the gateway's own are UUIDs, of 16 bytes."""
    try:
        return uuid.UUID(request).bytes
    except ValueError:
        return request.encode()
