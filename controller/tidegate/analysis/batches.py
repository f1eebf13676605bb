"""Prediction records in, closed batches out: one small window of one segment after the other, both arms side by side.

Neighbours: outcomes.py reads a record, cells.py sums it up; the engine and `backtest` feed it, judge.py takes the batches.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.analysis.cells import Cell, Retries
from tidegate.analysis.model import Batch
from tidegate.analysis.outcomes import ArmOf, by_release, by_role, is_error

__all__ = ["SETTLE", "Batcher", "by_release", "by_role", "evidence", "is_error"]

SETTLE = 60.0
"""Seconds after a change of weights in which batches carry no share: requests end then that began under the old ones."""

Shares = dict[str | None, float | None]


@dataclass(slots=True)
class _Era:
    """A time of constant weights, and the candidate's share in it: of a segment, and of what is in none (None)."""

    origin: float
    shares: Shares


@dataclass(slots=True, order=True)
class _Window:
    """One window in time: its segments, each with the stable arm and the candidate's."""

    start: float
    end: float
    shares: Shares = field(compare=False)
    segments: dict[str | None, tuple[Cell, Cell]] = field(default_factory=dict, compare=False)

    def batches(self, first_id: int, complete: bool) -> list[Batch]:
        whole = self.shares.get(None)
        return [
            Batch(
                first_id + i,
                self.start,
                self.end,
                stable=stable.arm(),
                candidate=candidate.arm(),
                segment=segment,
                share=self.shares.get(segment, whole),
                complete=complete,
            )
            for i, (segment, (stable, candidate)) in enumerate(self.segments.items())
        ]


class Batcher:
    """Windows of `length` seconds from `opened_at` (epoch seconds) on, cut short at every weight change.

    A record belongs to the window in which its request ended (`time` is its start, `duration_ms` its length), so what
    a controller finds after an absence falls where it happened. A window closes `grace` seconds after its end; what
    comes later still enters the oldest open window and counts as `late`. What ended before `opened_at` or
    `warm_up_until` is `dropped` (of both arms); what cannot be read is `malformed`.
    `share` is the candidate's declared share, `shares` those of segments. Batches carry them only `settle` seconds
    after a cut, when requests that began under the old weights are over: before, a slow arm looks starved.

    `sessions`: all requests of one `session` in a window are one unit, where a record names it; shares say nothing about
    their numbers then. A retry (an id that failed a short while ago, in the same arm) is `folded` into what it repeats.
    """

    def __init__(
        self,
        arm_of: ArmOf,
        *,
        length: float,
        opened_at: float,
        share: float | None = None,
        shares: Mapping[str, float] | None = None,
        warm_up_until: float = 0.0,
        first_id: int = 0,
        grace: float = 0.5,
        settle: float = SETTLE,
        sessions: bool = False,
    ) -> None:
        if length <= 0:
            raise ValueError("a window needs a length above 0 s")
        self.arm_of = arm_of
        self.length = length
        self.warm_up_until = max(warm_up_until, opened_at)
        self.next_id = first_id
        self.grace = grace
        self.settle = settle
        self.sessions = sessions
        self.late = self.dropped = self.malformed = self.folded = 0
        self._retries = {False: Retries(), True: Retries()}
        self._eras = [_Era(opened_at, _declared(share, shares))]
        self._windows: list[_Window] = []
        self._closed_until = opened_at

    @property
    def closed_until(self) -> float:
        """Every window up to then is closed (epoch seconds)."""
        return self._closed_until

    def add(self, record: Mapping[str, Any]) -> None:
        """Takes one record."""
        self.add_many((record,))

    def add_many(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Takes records in the order of their arrival."""
        arm_of, parse, warm, sessions = self.arm_of, datetime.fromisoformat, self.warm_up_until, self.sessions
        low = high = 0.0
        segments: dict[str | None, tuple[Cell, Cell]] = {}
        for record in records:
            candidate = arm_of(record)
            if candidate is None:
                continue
            try:
                duration = float(record["duration_ms"])
                end = parse(record["time"]).timestamp() + duration / 1000
                failed = is_error(record)
            except (KeyError, TypeError, ValueError):
                self.malformed += 1
                continue
            if not 0 <= duration < math.inf:
                self.malformed += 1
                continue
            if end < warm:
                self.dropped += 1
                continue
            retries = self._retries[candidate]
            if retries and retries.is_retry(record.get("request_id")):
                self.folded += 1
                continue
            if failed:
                retries.failed(record.get("request_id"))
            if not low <= end < high:
                window = self._find(end)
                low, high, segments = window.start, window.end, window.segments
            segment = record.get("segment")
            pair = segments.get(segment)
            if pair is None:
                pair = segments[segment] = (Cell(), Cell())
            session = record.get("session") if sessions else None
            if isinstance(session, str):
                pair[candidate].take_in(session, failed, duration, record.get("metrics"))
            else:
                pair[candidate].take(failed, duration, record.get("metrics"))

    def cut(self, at: float, *, share: float | None = None, shares: Mapping[str, float] | None = None) -> None:
        """The weights changed `at`: the window then open ends there, and the next begins under these shares."""
        at = max(at, self._closed_until, self._eras[-1].origin)
        for window in self._windows:
            if window.start < at:
                window.end = min(window.end, at)
        self._eras.append(_Era(at, _declared(share, shares)))

    def close(self, now: float) -> list[Batch]:
        """The batches of every window that ended `grace` seconds ago or earlier, in order. Empty windows make none."""
        horizon = now - self.grace
        self._closed_until = max(self._closed_until, self._bounds(max(horizon, self._eras[0].origin))[0])
        done = [w for w in self._windows if w.end <= self._closed_until]
        self._windows = [w for w in self._windows if w.end > self._closed_until]
        while len(self._eras) > 1 and self._eras[1].origin <= self._closed_until:
            del self._eras[0]
        batches: list[Batch] = []
        for window in done:
            batches += window.batches(self.next_id + len(batches), complete=True)
        self.next_id += len(batches)
        return batches

    def open(self) -> tuple[Batch, ...]:
        """What has not closed yet, marked incomplete; these ids are not final."""
        batches: list[Batch] = []
        for window in self._windows:
            batches += window.batches(self.next_id + len(batches), complete=False)
        return tuple(batches)

    def replay(self, records: Iterable[Mapping[str, Any]], every: int = 1000) -> Iterator[Batch]:
        """Batches of a whole log in about the order of time; its own records are the clock."""
        newest, chunk = -math.inf, list[Mapping[str, Any]]()
        for record in records:
            chunk.append(record)
            if len(chunk) == every:
                newest = max(newest, self._clock(chunk))
                self.add_many(chunk)
                chunk = []
                yield from self.close(newest)
        self.add_many(chunk)
        yield from self.close(max([newest, *(w.end for w in self._windows)]) + self.grace)

    def to_doc(self) -> dict[str, Any]:
        """Everything but `arm_of`, as JSON-safe values, open windows with their contents."""
        return {
            "version": 1, "length": self.length, "warm_up_until": self.warm_up_until, "next_id": self.next_id,
            "grace": self.grace, "settle": self.settle, "late": self.late, "dropped": self.dropped,
            "malformed": self.malformed, "folded": self.folded, "closed_until": self._closed_until,
            "sessions": self.sessions, "retries": [self._retries[arm].to_doc() for arm in (False, True)],
            "eras": [[era.origin, _pairs(era.shares)] for era in self._eras],
            "windows": [
                [w.start, w.end, _pairs(w.shares), [[s, b.to_doc(), c.to_doc()] for s, (b, c) in w.segments.items()]]
                for w in self._windows
            ],
        }  # fmt: skip

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any], arm_of: ArmOf) -> Batcher:
        """The batcher that `to_doc` wrote."""
        new = cls(arm_of, length=doc["length"], opened_at=doc["closed_until"], sessions=doc.get("sessions", False))
        for name in ("warm_up_until", "next_id", "grace", "settle", "late", "dropped", "malformed"):
            setattr(new, name, doc[name])
        new.folded = doc.get("folded", 0)
        if "retries" in doc:
            new._retries = {bool(arm): Retries(failed) for arm, failed in enumerate(doc["retries"])}
        new._eras = [_Era(origin, _shares(shares)) for origin, shares in doc["eras"]]
        new._windows = [
            _Window(start, end, _shares(shares), {s: (Cell.from_doc(b), Cell.from_doc(c)) for s, b, c in segments})
            for start, end, shares, segments in doc["windows"]
        ]
        return new

    def _find(self, end: float) -> _Window:
        """The window of a request that ended then, made if need be; the oldest open one for what is late."""
        if end < self._closed_until:
            self.late += 1
            end = self._closed_until
        for window in reversed(self._windows):
            if window.start <= end < window.end:
                return window
        start, stop, era = self._bounds(end)
        shares: Shares = era.shares if start >= era.origin + self.settle else {}
        if self.sessions:
            shares = {name: share if share in (0.0, 1.0) else None for name, share in shares.items()}
        window = _Window(start, stop, shares)
        insort(self._windows, window)
        return window

    def _bounds(self, t: float) -> tuple[float, float, _Era]:
        """Start and end of the window that holds `t`, and its era."""
        index = max(i for i, era in enumerate(self._eras) if i == 0 or era.origin <= t)
        era = self._eras[index]
        number = math.floor((t - era.origin) / self.length)
        if era.origin + (number + 1) * self.length <= t:
            number += 1
        stop = era.origin + (number + 1) * self.length
        if index + 1 < len(self._eras):
            stop = min(stop, self._eras[index + 1].origin)
        return era.origin + number * self.length, stop, era

    def _clock(self, chunk: list[Mapping[str, Any]]) -> float:
        """The newest start of a request in a chunk: by then, all that ended a grace earlier has been written."""
        newest = -math.inf
        for record in reversed(chunk):
            try:
                return datetime.fromisoformat(record["time"]).timestamp()
            except (KeyError, TypeError, ValueError):
                continue
        return newest


def evidence(batches: Iterable[Batch]) -> float:
    """Seconds that count for a step's clock: the windows in which the route had traffic, each once."""
    windows = {(b.start, b.end) for b in batches if b.stable.requests or b.candidate.requests}
    return sum(end - start for start, end in windows)


def _pairs(shares: Shares) -> list[list[Any]]:
    return [[segment, share] for segment, share in shares.items()]


def _shares(pairs: list[list[Any]]) -> Shares:
    return {pair[0]: pair[1] for pair in pairs}


def _declared(share: float | None, shares: Mapping[str, float] | None) -> Shares:
    declared: Shares = {None: share}
    declared.update(shares or {})
    return declared
