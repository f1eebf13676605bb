"""The journal's tables and their format version. A new journal is made by the same steps that lift an old one.

Neighbours: reader.py and journal.py query these tables; nobody else knows them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Column, Connection, Float, Index, Integer, MetaData, Table, Text, inspect, select, text

from tidegate.spec.errors import NeedsPerson

METADATA = MetaData()

META = Table("meta", METADATA, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
STATES = Table(
    "states",
    METADATA,
    Column("route", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Column("doc", Text, nullable=False),
)
EVENTS = Table(
    "events",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("route", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("doc", Text, nullable=False),
    Index("events_by_route", "route", "at"),
    Index("events_by_time", "at"),
    sqlite_autoincrement=True,
)
VERDICTS = Table(
    "verdicts",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("route", Text, nullable=False),
    Column("doc", Text, nullable=False),
    Index("verdicts_by_route", "route", "id"),
    sqlite_autoincrement=True,
)
CURSORS = Table("cursors", METADATA, Column("name", Text, primary_key=True), Column("doc", Text, nullable=False))
PROBLEMS = Table(
    "problems",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("since", Float, nullable=False),
    Column("doc", Text, nullable=False),
)
REPORTS = Table(
    "reports",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Column("release", Text, nullable=False),
    Column("doc", Text, nullable=False),
    Index("reports_by_release", "release", "at"),
)
LOSSES = Table(
    "losses",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("doc", Text, nullable=False),
    Index("losses_by_time", "at"),
    sqlite_autoincrement=True,
)

TRAILS = Table(
    "trails",
    METADATA,
    Column("route", Text, primary_key=True),
    Column("release", Text, primary_key=True),
    Column("began", Float, primary_key=True),
    Column("doc", Text, nullable=False),
)


def _first(connection: Connection) -> None:
    """Format 1: all tables. Written as it was then; later formats change it in steps of their own."""
    for statement in (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE states (route TEXT PRIMARY KEY, at FLOAT NOT NULL, doc TEXT NOT NULL)",
        "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at FLOAT NOT NULL, route TEXT NOT NULL,"
        " kind TEXT NOT NULL, doc TEXT NOT NULL)",
        "CREATE INDEX events_by_route ON events (route, at)",
        "CREATE INDEX events_by_time ON events (at)",
        "CREATE TABLE verdicts (id INTEGER PRIMARY KEY AUTOINCREMENT, at FLOAT NOT NULL, route TEXT NOT NULL,"
        " doc TEXT NOT NULL)",
        "CREATE INDEX verdicts_by_route ON verdicts (route, id)",
        "CREATE TABLE cursors (name TEXT PRIMARY KEY, doc TEXT NOT NULL)",
        "CREATE TABLE problems (key TEXT PRIMARY KEY, since FLOAT NOT NULL, doc TEXT NOT NULL)",
    ):
        connection.execute(text(statement))


def _second(connection: Connection) -> None:
    """Format 2: what the validation of a release showed."""
    connection.execute(
        text(
            'CREATE TABLE reports ("key" TEXT PRIMARY KEY, at FLOAT NOT NULL, "release" TEXT NOT NULL, doc TEXT NOT NULL)'
        )
    )
    connection.execute(text('CREATE INDEX reports_by_release ON reports ("release", at)'))


def _third(connection: Connection) -> None:
    """Format 3: what is missing in the prediction record, and since when it is known."""
    connection.execute(
        text(
            "CREATE TABLE losses (id INTEGER PRIMARY KEY AUTOINCREMENT, at FLOAT NOT NULL, kind TEXT NOT NULL,"
            " doc TEXT NOT NULL)"
        )
    )
    connection.execute(text("CREATE INDEX losses_by_time ON losses (at)"))


def _fourth(connection: Connection) -> None:
    """Format 4: the evidence over time, a document for each trial of a candidate."""
    connection.execute(
        text(
            'CREATE TABLE trails (route TEXT NOT NULL, "release" TEXT NOT NULL, began FLOAT NOT NULL, doc TEXT NOT NULL,'
            ' PRIMARY KEY (route, "release", began))'
        )
    )


# Step i lifts format i to i + 1; format 0 is an empty file.
STEPS: tuple[Callable[[Connection], None], ...] = (_first, _second, _third, _fourth)
FORMAT = len(STEPS)


def read_format(connection: Connection) -> int:
    """The format of an open journal, 0 for an empty file. Raises NeedsPerson for a database of somebody else."""
    names = inspect(connection).get_table_names()
    if not names:
        return 0
    if "meta" in names:
        value = connection.execute(select(META.c.value).where(META.c.key == "format")).scalar()
        if value is not None:
            return int(value)
    raise NeedsPerson("this database is no Tidegate journal", fix="name another file as 'journal' in tidegate.yaml")


def check_format(found: int, path: Path) -> None:
    """Raises NeedsPerson for a journal that a newer Tidegate wrote."""
    if found > FORMAT:
        raise NeedsPerson(
            f"the journal has format {found}, and this Tidegate knows formats up to {FORMAT}",
            where=str(path),
            fix="install the Tidegate that wrote it, or a newer one",
        )


def lift(connection: Connection, path: Path) -> None:
    """Bring the journal to today's format, in the transaction that is open. Raises NeedsPerson for a newer one."""
    found = read_format(connection)
    check_format(found, path)
    for step in STEPS[found:]:
        step(connection)
    if found < FORMAT:
        connection.execute(text("INSERT OR REPLACE INTO meta (key, value) VALUES ('format', :f)"), {"f": str(FORMAT)})
