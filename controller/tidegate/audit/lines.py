"""The record's lines as a table, and back: columns to search by, and beside them what it takes to give each line byte for byte.

A line that Envoy wrote is its time, its request id and the `rest`; any other line is kept whole in `rest`.
Neighbours: archive.py writes such tables to Parquet, question.py asks them, and files that are not archived yet alike.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tidegate.gateway.record import FIELDS

if TYPE_CHECKING:
    import duckdb

_TYPES = {"time": "VARCHAR", "status": "INTEGER", "duration_ms": "DOUBLE", "elapsed_ms": "DOUBLE"}
_SHAPE = "{" + ",".join(f'"{name}":"{_TYPES.get(name, "VARCHAR")}"' for name in (*FIELDS, "elapsed_ms")) + "}"
_PLAIN = tuple(name for name in FIELDS if name not in ("time", "request_id"))
_SETTLED = {
    "flags": "nullif(fields.flags, '-') AS flags",
    "duration_ms": "coalesce(nullif(fields.duration_ms, 0), fields.elapsed_ms, fields.duration_ms) AS duration_ms",
}
"""What `gateway.record.settled` does to a line."""
_TIME = "strftime(time, '%Y-%m-%dT%H:%M:%S.%fZ')"
_SEARCHED = ", ".join(_SETTLED.get(name, f"fields.{name}") for name in _PLAIN)
COLUMNS: Final = ("time", "request_id", *_PLAIN)
"""What a table can be searched by: the fields of the contract, `time` as TIMESTAMP (UTC), `request_id` as UUID."""
LINE: Final = (
    f"""CASE WHEN exact THEN '{{"time":"' || {_TIME} || '","request_id":"' || request_id || rest ELSE rest END"""
)
"""SQL: the line as it was written, without its end; `original` undoes what `readable` did to it."""
_SEPARATOR = "\x1f"
_ESCAPED = b"!"
_MARKS = (b"\0", b"\r", b"\n\n", b"\n" + _ESCAPED, _SEPARATOR.encode())
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_BLOCK = 4 << 20
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """A file of lines as it is: `sha256` of the lines each with its end, also where the last one lacks it.

    `plain`: the database can read it as it is.
    """

    size: int
    lines: int
    sha256: str
    plain: bool


def look(path: Path) -> Look:
    """Read a file once. Raises OSError."""
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")("replace")
    size = lines = 0
    plain, last = True, b"\n"
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            lines += block.count(b"\n")
            plain = plain and _REPLACED not in decoder.decode(block) and not _odd(last + block)
            last = block[-1:]
    if size and last != b"\n":
        digest.update(b"\n")
        lines += 1
        plain = plain and not decoder.decode(b"", final=True)
    return Look(size, lines, digest.hexdigest(), plain)


def _odd(block: bytes) -> bool:
    """Whether there is anything in these bytes, the last one before them included, that the database reads otherwise."""
    if any(mark in block for mark in _MARKS):
        return True
    return len(block) > _LONGEST and max(map(len, block.split(b"\n"))) > _LONGEST


def readable(path: Path, seen: Look, work: Path) -> tuple[Path, int]:
    """A file that the database can read, and a length that none of its lines has: the file itself, or a copy in `work`.

    In the copy odd lines are escaped; `original` gives them back.
    """
    longest = 2 * _LONGEST
    if seen.plain:
        return path, longest
    copy = work / f"{path.name}.plain"
    with path.open("rb") as raw, copy.open("wb") as file:
        for line in raw:
            content = line.removesuffix(b"\n")
            if not content or _odd(b"\n" + content) or _REPLACED in content.decode(errors="replace"):
                content = _ESCAPED + base64.b64encode(content)
                longest = max(longest, 2 * len(content))
            file.write(content + b"\n")
    return copy, longest


def original(line: str) -> bytes:
    """A line as it was in its file, of what `LINE` gave."""
    return base64.b64decode(line[1:]) if line.startswith(_ESCAPED.decode()) else line.encode()


def table(path: Path, longest: int) -> str:
    """SQL: the columns, `exact` and `rest` of a file of lines that is `readable`, in its order."""
    text = str(path).replace("'", "''")
    source = (
        f"read_csv('{text}', columns={{'line': 'VARCHAR'}}, delim='{_SEPARATOR}', quote='', escape='', header=false,"
        f" auto_detect=false, max_line_size={longest})"
    )
    begin = "'{\"time\":'"
    return f"""
    SELECT try_cast(fields.time AS TIMESTAMP) AS time, try_cast(fields.request_id AS UUID) AS request_id,
      {_SEARCHED}, exact, CASE WHEN exact THEN substr(line, 89) ELSE line END AS rest
    FROM (
      SELECT line, json_transform(CASE WHEN json_valid(line) THEN line WHEN json_valid(tail) THEN tail ELSE '{{}}' END,
               '{_SHAPE}') AS fields,
        line[1:9] = '{{"time":"' AND line[37:52] = '","request_id":"' AND json_valid(line)
          AND coalesce(strftime(try_cast(line[10:36] AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%fZ') = line[10:36], false)
          AND coalesce(try_cast(line[53:88] AS UUID)::VARCHAR = line[53:88], false) AS exact
      FROM (SELECT line, {begin} || string_split(line, {begin})[-1] AS tail FROM {source})
    )"""  # noqa: S608 made of our own words; the path is quoted


def session(work: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A database in memory: one thread, little memory, no network. `work`: where it may put what does not fit."""
    import duckdb  # a large library, for those alone who ask it something

    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": "512MB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": str(work) if work is not None else "",
    }
    return duckdb.connect(":memory:", config=config)


def originals(rows: duckdb.DuckDBPyConnection) -> Iterator[bytes]:
    """The lines of a result whose one column is `LINE`, each with its end, in blocks."""
    while found := rows.fetchmany(10_000):
        yield b"".join(original(line) + b"\n" for (line,) in found)
