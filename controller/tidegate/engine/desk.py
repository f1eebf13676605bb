"""The desk at which feedback arrives: takes it in over HTTP, joins it with the record, hands it to the rollouts.

Called from the API's threads and from jobs; the loop only exchanges `asked` and reads what a job brought.
Neighbours: sources/feedback.py keeps everything on disk, sources.py is the loop's side, api/ the callers'.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tidegate.gateway.record import Cursor, RecordReader
from tidegate.sources.feedback import LABELS, WAIT, Bounds, Feedback, Label
from tidegate.sources.reports import Refused, Report, parse
from tidegate.spec.controller import FeedbackSettings
from tidegate.spec.errors import RetryLater

LINES: Final = 20_000
SHOWN: Final = 10
NAME: Final = "feedback.db"


@dataclass(frozen=True, slots=True)
class News:
    """What a job brought: labels by route, in order; the store's counts; whether there is more at once."""

    labels: Mapping[str, list[Label]] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    more: bool = False


class Desk:
    """One controller's. `reader` is a reader of the record with a cursor of its own, which the store keeps.

    `asked`: by route and metric, what policies ask feedback for; None: that is not known yet, and nothing may be left out.
    """

    def __init__(
        self, folder: Path, settings: FeedbackSettings, reader: RecordReader, now: Callable[[], float]
    ) -> None:
        self.asked: Bounds | None = None
        self._path = folder / NAME
        self._settings = settings
        self._reader = reader
        self._now = now
        self._lock = threading.Lock()
        self._opened: Feedback | None = None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def accept(self, body: bytes) -> dict[str, Any]:
        """Take in what somebody sent. What is counted as accepted, duplicate or unknown is on disk when this returns.

        Raises NeedsPerson when the body is neither JSON nor JSON lines, RetryLater when nothing can be written just now.
        """
        reports, refused = list[Report](), list[Refused]()
        for one in parse(body):
            (reports if isinstance(one, Report) else refused).append(one)  # type: ignore[arg-type]  # the list of its kind
        asked = self._known()
        self._catch_up(asked)
        found = self._store().accept(reports, asked)
        counts = dict(found.counts)
        doc: dict[str, Any] = {
            "version": 1,
            **{name: counts.get(name, 0) for name in ("accepted", "duplicate", "out_of_bounds", "unasked", "unclear")},
            "unknown": counts.get("waiting", 0),
            "refused": len(refused),
        }
        if found.unknown:
            doc["unknown_ids"] = found.unknown
            doc["hint"] = f"an id that is not in the record within {WAIT:.0f} s is given up"
        if counts.get("unasked"):
            doc["asked"] = sorted({metric for metrics in asked.values() for metric in metrics})
        if refused:
            doc["refusals"] = [{"place": one.place, "why": one.why} for one in refused[:SHOWN]]
        return doc

    def work(self, wanted: Mapping[str, tuple[int, float]]) -> News:
        """A job: bring the index up to date, join what waited, and read the labels of the routes on trial.

        `wanted`: by route, after which label, and since when (epoch seconds).
        """
        asked = self._known()
        self._catch_up(asked)
        store = self._store()
        store.join(asked)
        labels = {route: store.since(route, seq, at) for route, (seq, at) in wanted.items()}
        return News({route: found for route, found in labels.items() if found}, store.counts(),
                    any(len(found) >= LABELS for found in labels.values()))  # fmt: skip

    def _known(self) -> Bounds:
        if self.asked is None:
            raise RetryLater("the controller has not read git yet, so it is not known what is asked for")
        return self.asked

    def _store(self) -> Feedback:
        with self._lock:
            if self._opened is None:
                settings = self._settings
                self._opened = Feedback(self._path, retention=settings.retention, most=settings.requests, now=self._now)
            return self._opened

    def _catch_up(self, asked: Bounds) -> None:
        """Index what the gateway has recorded since the last time."""
        store = self._store()
        with self._lock:
            saved = store.cursor()
            cursor = Cursor.from_json(saved) if saved is not None else self._reader.end()
            more = saved is None
            while True:
                try:
                    records, reached = self._reader.read(cursor, LINES)
                except OSError as error:
                    where = str(self._reader.path)
                    raise RetryLater(f"the prediction record cannot be read: {error}", where=where) from error
                if records or reached != cursor or more:
                    rows = [row for row in map(_row, records) if row is not None and row[2] in asked]
                    store.index(rows, reached.to_json())
                cursor, more = reached, False
                if len(records) < LINES:
                    return


def _row(record: Mapping[str, Any]) -> tuple[str, float, str, str, str | None] | None:
    """A line of the record as it is indexed; None for a copy's, and for what no release answered."""
    request, release, route = record.get("request_id"), record.get("release"), record.get("route")
    if not (isinstance(request, str) and isinstance(release, str) and isinstance(route, str)):
        return None
    if record.get("role") == "shadow":
        return None
    try:
        at = datetime.fromisoformat(record["time"]).timestamp() + float(record["duration_ms"] or 0.0) / 1000
    except (KeyError, TypeError, ValueError):
        return None
    segment = record.get("segment")
    return request, at, route, release, segment if isinstance(segment, str) else None
