"""Questions to the record: one request id, or a stretch of time; the archive and the files that are not archived yet alike.

Neighbours: archive.py has the segments, lines.py the table, gateway/record.py the open files; `tidegate audit` asks.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import duckdb

from tidegate.audit.archive import Archive, is_of
from tidegate.audit.chain import Segment
from tidegate.audit.lines import COLUMNS, LINE, look, original, readable, session, table
from tidegate.gateway.record import RecordReader, parse
from tidegate.spec.errors import NeedsPerson, RetryLater

T = TypeVar("T")
TAIL: Final = "not archived yet"
FORMATS: Final = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER"}
"""What `export` writes besides `jsonl`, and how the database is asked for it."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the record: what it says, where it is kept (a segment's file, or a file that is not archived yet)."""

    says: dict[str, Any]
    kept_in: str
    link: int | None
    whole: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which answers. `begins` (included) and `ends` (not) in epoch seconds; `status` like `503` or `5xx`."""

    begins: float | None = None
    ends: float | None = None
    route: str | None = None
    release: str | None = None
    role: str | None = None
    status: str | None = None

    def sql(self) -> tuple[str, list[Any]]:
        """The condition, and its values. Raises ValueError when `status` is none."""
        parts: list[tuple[str, Any]] = [
            ("time >= ?", _timestamp(self.begins)),
            ("time < ?", _timestamp(self.ends)),
            ("route = ?", self.route),
            ("release LIKE ? || '%'", self.release[:12] if self.release else None),
            ("role = ?", self.role),
        ]
        if self.status is not None:
            low, high = _statuses(self.status)
            parts += [("status >= ?", low), ("status <= ?", high)]
        used = [(text, value) for text, value in parts if value is not None]
        return " AND ".join(["time IS NOT NULL", *(text for text, _ in used)]), [value for _, value in used]

    def may_hold(self, segment: Segment) -> bool:
        """Whether a segment has lines of that time."""
        if segment.begins is None or segment.ends is None:
            return False
        return (self.ends is None or segment.begins < self.ends) and (
            self.begins is None or segment.ends >= self.begins
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """What the record holds. `begins`: its earliest answer, epoch seconds; None when there is none."""

    begins: float | None
    segments: int
    lines: int
    size: int
    open_files: int
    open_bytes: int


class Questions:
    """Asks the archive, and the files of the record at `record` that no segment was made of yet. Takes no lock."""

    def __init__(self, archive: Archive, record: Path) -> None:
        self._archive = archive
        self._reader = RecordReader(record)

    def by_id(self, request_id: str) -> list[Line]:
        """Every line of a request, earliest first: its answer, and those of its shadows. Raises ValueError on what is no id."""
        wanted = UUID(request_id)
        return self._steady(lambda: self._by_id(wanted))

    def _by_id(self, wanted: UUID) -> list[Line]:
        segments, files = self._places()
        found = [line for file in files for line in _grep(file, str(wanted).encode())]
        if segments:
            by_path = {str(self._archive.path(segment)): segment for segment in segments}
            asked = f"SELECT {LINE}, filename FROM read_parquet(?, filename=true) WHERE request_id = ?"  # noqa: S608 our own words
            with session() as database:
                for text, path in database.execute(asked, [list(by_path), wanted]).fetchall():
                    says, whole = parse(original(text))
                    segment = by_path[path]
                    found.append(Line(says or {}, segment.file, segment.link, whole))
        return sorted(found, key=lambda line: str(line.says.get("time")))

    def newest(self, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
        """What the newest `limit` lines say, earliest first."""

        def ask() -> list[dict[str, Any]]:
            with self._asked(wanted) as (database, source, values):
                rows = database.execute(f"SELECT {LINE} FROM {source} ORDER BY time DESC LIMIT {limit:d}", values)  # noqa: S608 our own words
                said = (parse(original(line))[0] for (line,) in rows.fetchall())
                return [line for line in said if line is not None][::-1]

        return self._steady(ask)

    def count(self, wanted: Wanted) -> list[dict[str, Any]]:
        """How many answers by route, role, release, version and class of status, and how long they took."""
        columns = "route, role, release, version"
        asked = f"{columns}, status // 100 AS status, count(*) AS answers, median(duration_ms) AS p50_ms, "
        asked += "quantile_cont(duration_ms, 0.95) AS p95_ms"

        def ask() -> list[dict[str, Any]]:
            with self._asked(wanted) as (database, source, values):
                rows = database.execute(f"SELECT {asked} FROM {source} GROUP BY ALL ORDER BY ALL", values)  # noqa: S608 our own words
                names = [column[0] for column in rows.description or ()]
                found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
                return [{**one, "status": f"{one['status']}xx" if one["status"] else "none"} for one in found]

        return self._steady(ask)

    def export(self, wanted: Wanted, target: Path, form: str) -> int:
        """Write what is wanted to a file, in the order of time: `jsonl` the lines as they were written, or `FORMATS`.

        How many lines. Raises NeedsPerson when it cannot be written.
        """

        fresh = target.with_name(f".{target.name}.new")
        try:
            fresh.touch()
        except OSError as error:
            raise NeedsPerson(f"cannot be written: {error.strerror}", where=str(target)) from error

        def ask() -> int:
            with self._asked(wanted) as (database, source, values):
                if form == "jsonl":
                    return _lines_to(fresh, database, f"SELECT {LINE} FROM {source} ORDER BY time", values)  # noqa: S608 our own words
                asked = f"SELECT {', '.join(COLUMNS)}, {LINE} AS line FROM {source} ORDER BY time"  # noqa: S608 our own words
                path = str(fresh).replace("'", "''")
                done = database.execute(f"COPY ({asked}) TO '{path}' ({FORMATS[form]})", values).fetchone()
                return int(done[0]) if done else 0

        try:
            number = self._steady(ask)
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
        return number

    def kept(self) -> Kept:
        """How far back the record goes, and what it takes."""
        segments, files = self._places()
        begins = [segment.begins for segment in segments if segment.begins is not None]
        begins += [began for file in files if (began := _began(file)) is not None]
        return Kept(
            min(begins, default=None),
            len(segments),
            sum(segment.lines for segment in segments),
            sum(segment.size for segment in segments),
            len(files),
            sum(file.stat().st_size for file in files),
        )

    def _places(self) -> tuple[list[Segment], list[Path]]:
        """The segments, and the files besides. Files are listed first: what is archived meanwhile is in the chain then."""
        try:
            files = self._reader.files()
            segments = list(self._archive.chain().segments)
            return segments, [file for file in files if not any(is_of(segment, file) for segment in segments[-100:])]
        except PermissionError as error:
            fix = "ask as the user that the controller runs as: nobody else may read who asked what, and when"
            raise NeedsPerson(f"cannot be read: {error.strerror}", where=error.filename, fix=fix) from error

    @contextmanager
    def _asked(self, wanted: Wanted) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, list[Any]]]:
        """A database, what to select from, and the values of its condition."""
        segments, files = self._places()
        paths = [str(self._archive.path(segment)) for segment in segments if wanted.may_hold(segment)]
        names = ", ".join((*COLUMNS, "exact", "rest"))
        with tempfile.TemporaryDirectory(prefix="tidegate-audit-") as folder, session(Path(folder)) as database:
            parts = [f"SELECT {names} FROM ({table(*readable(file, look(file), Path(folder)))})" for file in files]  # noqa: S608 our own words
            if paths:
                listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
                parts.append(f"SELECT {names} FROM read_parquet([{listed}])")  # noqa: S608 our own words, and quoted paths
            if not parts:
                parts.append(
                    f"SELECT {', '.join(f'NULL AS {name}' for name in (*COLUMNS, 'exact', 'rest'))} WHERE false"
                )
            condition, values = wanted.sql()
            yield database, f"({' UNION ALL '.join(parts)}) WHERE {condition}", values

    def _steady(self, ask: Callable[[], T]) -> T:
        """Ask again when a file was archived, or removed, between the look at what there is and the reading."""
        for attempt in range(_ATTEMPTS):
            try:
                return ask()
            except (FileNotFoundError, duckdb.IOException) as error:
                missing = [one.file for one in self._archive.chain().segments if not self._archive.path(one).exists()]
                if missing:
                    raise NeedsPerson(
                        "this part of the record is not there any more",
                        where=str(self._archive.root / missing[0]),
                        fix="tidegate audit verify says what else is missing",
                    ) from error
                if attempt == _ATTEMPTS - 1:
                    raise RetryLater(f"the record cannot be read: {error}") from error
            except duckdb.Error as error:
                raise NeedsPerson(
                    f"the record cannot be read: {error}", fix="tidegate audit verify says which part of it is damaged"
                ) from error
        raise AssertionError("the last attempt answers or raises")


def _grep(file: Path, wanted: bytes) -> Iterator[Line]:
    """The lines of a file that speak of a request id."""
    with file.open("rb") as opened:
        if not opened.seek(0, 2):
            return
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = content.find(wanted)
            while at >= 0:
                begin, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
                says, whole = parse(content[begin : end if end >= 0 else len(content)])
                if says is not None and str(says.get("request_id")).encode() == wanted:
                    yield Line(says, file.name, None, whole)
                at = content.find(wanted, end) if end >= 0 else -1


def _lines_to(target: Path, database: duckdb.DuckDBPyConnection, asked: str, values: list[Any]) -> int:
    count = 0
    with target.open("wb") as file:
        rows = database.execute(asked, values)
        while found := rows.fetchmany(10_000):
            file.writelines(original(line) + b"\n" for (line,) in found)
            count += len(found)
    return count


def _began(file: Path) -> float | None:
    """When the first request of a file began."""
    with file.open("rb") as opened:
        says, _ = parse(opened.readline())
    written = says.get("time") if says is not None else None
    return datetime.fromisoformat(written).timestamp() if isinstance(written, str) else None


def _timestamp(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def _statuses(text: str) -> tuple[int, int]:
    if text.isdecimal() and len(text) <= 3:
        return int(text), int(text)
    if len(text) == 3 and text[0] in "12345" and text[1:].lower() == "xx":
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    raise ValueError(f"'{text}' is no status: write it like 503, 5xx, or 0 for no answer at all")
