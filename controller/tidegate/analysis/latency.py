"""Latencies in log-spaced buckets: histograms, quantiles, and the edges that the tail test counts beyond.

Neighbours: batches.py fills the buckets; guards.py counts events beyond an edge for counts.py and onearm.py.
Rounding: a limit between two edges is moved to the edge that favours the hypothesis under test (at most 2 %).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

_FIRST_MS = 0.1
_LAST_MS = 600_000.0
_GROWTH = 1.02
_COUNT = 1 + int(np.ceil(np.log(_LAST_MS / _FIRST_MS) / np.log(_GROWTH)))

BUCKETS: tuple[float, ...] = tuple(_FIRST_MS * _GROWTH**i for i in range(_COUNT))
"""Edges in ms, 0.1 ms to 10 min, each 2 % above the one before. Cell i of a histogram counts latencies in
(BUCKETS[i-1], BUCKETS[i]]; the first all up to 0.1 ms, one more cell at the end all beyond the last edge."""

CELLS = len(BUCKETS) + 1
_EDGES = np.array(BUCKETS)
_BLOCK = 5000


def histogram(values: Sequence[float]) -> tuple[int, ...]:
    """Counts of latencies (ms) in the cells of `BUCKETS`. Raises ValueError on NaN, infinity and negative values."""
    array = np.asarray(values, dtype=np.float64)
    if array.size and not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError("a latency must be a finite number of milliseconds, zero or more")
    cells = np.bincount(np.searchsorted(_EDGES, array, side="left"), minlength=CELLS)
    return tuple(cells.tolist())


def add(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """The histogram of both; an empty tuple is an empty histogram."""
    if not one or not other:
        return one or other
    return tuple((np.asarray(one, dtype=np.int64) + np.asarray(other, dtype=np.int64)).tolist())


def edge_at_least(ms: float) -> int | None:
    """Index of the lowest edge not below `ms`: what is counted beyond it was surely slower. None beyond 10 min."""
    index = bisect_left(BUCKETS, ms)
    return index if index < len(BUCKETS) else None


def edge_at_most(ms: float) -> int | None:
    """Index of the highest edge not above `ms`: whatever was slower is counted beyond it. None below 0.1 ms."""
    index = bisect_right(BUCKETS, ms) - 1
    return index if index >= 0 else None


def slower(cells: tuple[int, ...], edge: int) -> int:
    """How many latencies lie beyond BUCKETS[edge]; exact."""
    return sum(cells[edge + 1 :])


def quantile(cells: tuple[int, ...], q: float) -> float | None:
    """The q-quantile in ms, within 2 % (linear inside its cell); None without data."""
    total = sum(cells)
    if not total:
        return None
    rest = q * total
    for index, count in enumerate(cells):
        if count and rest <= count:
            low = BUCKETS[index - 1] if index else 0.0
            high = BUCKETS[min(index, len(BUCKETS) - 1)]
            return low + (high - low) * max(rest, 0.0) / count
        rest -= count
    return BUCKETS[-1]


def tail_edge(cells: tuple[int, ...], q: float) -> int | None:
    """The edge that has most nearly a share 1 - q of the latencies beyond it; None below three expected there."""
    total = sum(cells)
    if total * (1 - q) < 3:
        return None
    beyond = total - np.cumsum(np.asarray(cells[:-1], dtype=np.int64))
    return int(np.argmin(np.abs(beyond - total * (1 - q))))


@dataclass(frozen=True, slots=True)
class Record:
    """The recent latencies of the stable release in one segment: a full block of requests and the running one.

    The last 5,000 to 10,000 requests: enough for a p99.9, few enough to follow the day.
    """

    full: tuple[int, ...] = ()
    running: tuple[int, ...] = ()

    def absorb(self, cells: tuple[int, ...]) -> Record:
        """With one batch's histogram more."""
        if not cells:
            return self
        running = add(self.running, cells)
        return Record(running, ()) if sum(running) >= _BLOCK else replace(self, running=running)

    @property
    def cells(self) -> tuple[int, ...]:
        """The histogram of both blocks; empty before any data."""
        return add(self.full, self.running)

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {"full": pack(self.full), "running": pack(self.running)}

    @classmethod
    def from_doc(cls, doc: dict[str, Any]) -> Record:
        """The record that `to_doc` wrote."""
        return cls(unpack(doc["full"]), unpack(doc["running"]))


def pack(cells: tuple[int, ...]) -> list[int]:
    """A histogram without its empty ends: the first cell's index, then the counts. Empty for an empty tuple."""
    if not cells:
        return []
    used = [i for i, count in enumerate(cells) if count] or [0]
    return [used[0], *cells[used[0] : used[-1] + 1]]


def unpack(packed: list[int]) -> tuple[int, ...]:
    """The histogram that `pack` packed."""
    if not packed:
        return ()
    first, counts = packed[0], packed[1:]
    return (0,) * first + tuple(counts) + (0,) * (CELLS - first - len(counts))
