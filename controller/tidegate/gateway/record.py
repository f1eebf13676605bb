"""Follows the prediction record: one JSON line a request, written by Envoy, which outlives every reader.

A `Cursor` says how far somebody has read; the journal keeps it. lines.py has the format; the engine makes batches of it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import orjson

FIELDS = (
    "time", "request_id", "route", "model", "feature", "segment", "role", "release",
    "version", "config", "commit", "status", "duration_ms", "flags",
)  # fmt: skip
"""DESIGN section 6, in this order."""

_HEAD = 256
_START = b'{"time":'
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the record was read: the file by `inode` and by a digest of its `head`, and the `offset` in bytes.

    `malformed` counts lines that could not be read, `losses` times that unread lines were gone (truncated, deleted). Both only
    grow: whoever keeps the cursor can tell what is new.
    """

    inode: int = 0
    offset: int = 0
    head: str = ""
    malformed: int = 0
    losses: int = 0

    def to_json(self) -> dict[str, int | str]:
        """Plain values for the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Cursor:
        """What `to_json` gave."""
        return cls(**value)


class RecordReader:
    """Reads the record at `path` and its rotated files (`path` with a number behind it), oldest first, each line once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, cursor: Cursor, limit: int = 10_000) -> tuple[list[dict[str, Any]], Cursor]:
        """Up to `limit` lines after `cursor`, and where to go on. Every line has all of `FIELDS`, missing values as None.

        A last line without its end is left for the next call. Raises OSError when the record cannot be read.
        """
        lines: list[dict[str, Any]] = []
        while True:
            found = self._open(cursor)
            if found is None:
                return lines, cursor
            file, cursor, newer = found
            with file:
                cursor = self._lines(file, cursor, limit, lines, closed=newer is not None)
            if newer is None or len(lines) >= limit:
                return lines, cursor
            cursor = replace(cursor, inode=newer, offset=0, head="")

    def end(self) -> Cursor:
        """The end of the record as it is now: for a reader that wants only what is to come."""
        files = self.files()
        if not files:
            return Cursor()
        with files[-1].open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return Cursor(inode=os.fstat(file.fileno()).st_ino, offset=size, head=_head(file, size))

    def files(self) -> list[Path]:
        """The rotated files, oldest first, then the present one."""
        name = f"{self.path.name}."
        numbered = [
            (int(file.name.removeprefix(name)), file)
            for file in self.path.parent.glob(f"{name}*")
            if file.name.removeprefix(name).isdigit()
        ]
        return [file for _, file in sorted(numbered)] + ([self.path] if self.path.exists() else [])

    def _open(self, cursor: Cursor) -> tuple[BinaryIO, Cursor, int | None] | None:
        """The file to read, where to begin in it, and the inode of the one after it."""
        while True:
            try:
                files = [(path, path.stat().st_ino) for path in self.files()]
                if not files:
                    return None
                at = next((i for i, (_, inode) in enumerate(files) if inode == cursor.inode), None)
                if at is None:
                    if cursor.inode:
                        cursor = self._lost(cursor, "the file that was being read is gone")
                    at = 0
                    cursor = replace(cursor, inode=files[0][1], offset=0, head="")
                file = files[at][0].open("rb")
            except FileNotFoundError:
                continue  # renamed between the listing and the look: list again
            stat = os.fstat(file.fileno())
            if stat.st_ino != cursor.inode:
                file.close()
                continue
            if stat.st_size < cursor.offset or _head(file, cursor.offset) != cursor.head:
                cursor = replace(self._lost(cursor, f"{files[at][0].name} was truncated"), offset=0, head="")
            return file, cursor, files[at + 1][1] if at + 1 < len(files) else None

    def _lost(self, cursor: Cursor, how: str) -> Cursor:
        _log.warning("the prediction record has a gap after byte %d: %s", cursor.offset, how)
        return replace(cursor, losses=cursor.losses + 1)

    def _lines(self, file: BinaryIO, cursor: Cursor, limit: int, lines: list[dict[str, Any]], closed: bool) -> Cursor:
        """Reads on; `closed`: nothing will be added, since Envoy closes a file before it makes the next one."""
        file.seek(cursor.offset)
        offset, malformed = cursor.offset, cursor.malformed
        for raw in file:
            if len(lines) >= limit or not (closed or raw.endswith(b"\n")):
                break
            offset += len(raw)
            line, whole = parse(raw)
            if not whole:
                malformed += 1
                _log.warning("a line of the prediction record cannot be read: %r", raw[:200])
            if line is not None:
                lines.append(line)
        return replace(cursor, offset=offset, malformed=malformed, head=_head(file, offset))


def _head(file: BinaryIO, read: int) -> str:
    """A digest of the first bytes, of those that were read: tells a new file with an old inode from the old one."""
    if read == 0:
        return ""
    return blake2b(os.pread(file.fileno(), min(read, _HEAD), 0), digest_size=8).hexdigest()


def grown(path: Path, size: int, after: float, now: float) -> bool:
    """Whether this file of the record is to be closed: past `size` bytes, `after` seconds, or of another day (UTC).

    Its age is that of its first request; one without a line stays as it is. `now`: epoch seconds.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > size:
                return True
            first, _ = parse(file.readline())
    except FileNotFoundError:
        return False
    try:
        began = datetime.fromisoformat(str(first and first.get("time")))
    except ValueError:
        return False
    return now - began.timestamp() > after or began.date() < datetime.fromtimestamp(now, UTC).date()


def parse(raw: bytes) -> tuple[dict[str, Any] | None, bool]:
    """What a line of the record says, with all of `FIELDS`, and whether it is whole.

    Of a killed Envoy's last line, and the first of its successor behind it, the second; None where nothing can be read.
    """
    line = _parse(raw)
    if line is not None:
        return line, True
    return _parse(raw[max(raw.rfind(_START), 0) :]), False


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    value = settled(value)
    return {name: value.pop(name, None) for name in FIELDS} | value


def settled(line: dict[str, Any]) -> dict[str, Any]:
    """A line that Envoy wrote, as the contract has it: no flags are none, and a request without an end took what elapsed."""
    if line.get("flags") == "-":
        line["flags"] = None
    elapsed = line.pop("elapsed_ms", None)
    if elapsed is not None and not line.get("duration_ms"):
        line["duration_ms"] = elapsed
    return line
