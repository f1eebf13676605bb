"""Recorded traffic as one stream: JSON lines of several files, packed or not, or of standard input; what is lost is counted.

Neighbours: replay.py takes the records; gateway/record.py follows the record of a gateway that still writes.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final, cast

import orjson

from tidegate.gateway.record import settled
from tidegate.spec.errors import NeedsPerson

ARMS: Final = frozenset({"stable", "candidate"})
BACKWARDS: Final = 60.0
"""Seconds by which a file may begin before the one before it began: a request's time is its start, its line comes at its end."""
_PACKED: Final = b"\x1f\x8b"
_START: Final = b'{"time":'

Record = dict[str, Any]


@dataclass(slots=True)
class Counts:
    """Lines of one reading: `malformed` cannot be read or say no arm; `others` are of no arm (shadows), or of another route."""

    lines: int = 0
    malformed: int = 0
    others: int = 0
    routes: set[str] = field(default_factory=set)


class Log:
    """Files in the order of time. Can be read several times; `-` is kept in a file of its own for that.

    Raises NeedsPerson when a file cannot be read.
    """

    def __init__(self, paths: list[Path], route: str | None = None) -> None:
        self.route = route
        self._names = [str(path) for path in paths]
        self._kept = _kept(sys.stdin.buffer) if "-" in self._names else None
        self._names = self._in_order(self._names)

    def records(self, counts: Counts) -> Iterator[Record]:
        """The records of both arms, as they were written. Raises NeedsPerson when there are several routes and none is named."""
        for name in self._names:
            for record in self._read(name, counts):
                counts.lines += 1
                role = record.get("role")
                if role not in ARMS:
                    counts.malformed += role is None
                    counts.others += role is not None
                    continue
                if (route := record.get("route")) is not None and not self._wanted(route, counts):
                    counts.others += 1
                    continue
                if isinstance(moment := record.get("time"), int | float):
                    record["time"] = datetime.fromtimestamp(moment, UTC).isoformat()
                yield record

    def _wanted(self, route: str, counts: Counts) -> bool:
        if self.route is not None:
            return route == self.route
        if route not in counts.routes:
            counts.routes.add(route)
            if len(counts.routes) > 1:
                names = sorted(counts.routes)
                what = f"the log tells of several routes, {' and '.join(names)} among them"
                raise NeedsPerson(what, fix=f"choose one: --route {names[0]}")
        return True

    def _in_order(self, names: list[str]) -> list[str]:
        """As given, where each file begins after the one before it; else by when they begin (a shell sorts by name)."""
        if len(names) == 1:
            next(self._read(names[0], Counts()), None)
            return names
        began = {name: self._begin(name) for name in names}
        if all(began[later] >= began[earlier] - BACKWARDS for earlier, later in pairwise(names)):
            return names
        return sorted(names, key=lambda name: began[name])

    def _begin(self, name: str) -> float:
        return next((at for record in self._read(name, Counts()) if (at := moment(record)) is not None), float("inf"))

    def _read(self, name: str, counts: Counts) -> Iterator[Record]:
        try:
            with self._open(name) as lines:
                for raw in lines:
                    try:
                        record = orjson.loads(raw)
                    except orjson.JSONDecodeError:
                        record = _rescued(raw, counts)
                    if isinstance(record, dict):
                        yield settled(record)
        except (OSError, EOFError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise NeedsPerson(f"cannot be read: {words}", where=name, fix="name a file of JSON lines") from error

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        kept = self._kept if name == "-" else None
        with nullcontext(kept) if kept is not None else Path(name).open("rb") as file:
            file.seek(0)
            packed = file.read(len(_PACKED)) == _PACKED
            file.seek(0)
            if not packed:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(IO[bytes], unpacked)


def moment(record: Record) -> float | None:
    """When the request began, in epoch seconds; None where that cannot be told."""
    time = record.get("time")
    try:
        return float(time) if isinstance(time, int | float) else datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return None


def _kept(stream: IO[bytes]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as the log does
    shutil.copyfileobj(stream, file)
    return file


def _rescued(raw: bytes, counts: Counts) -> object:
    """A line that is no strict JSON: one with NaN (other writers), or one that a killed gateway did not end."""
    if not raw.strip():
        return None
    try:
        value = json.loads(raw)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    counts.lines += 1
    counts.malformed += 1
    try:
        return orjson.loads(raw[max(raw.rfind(_START), 0) :])  # two lines in one: the second is whole
    except orjson.JSONDecodeError:
        return None
