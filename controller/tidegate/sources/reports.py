"""Feedback as it is sent: JSON (one report, a list, or {"feedback": [...]}) or JSON lines, read one report at a time. Pure.

Neighbours: api/ and `tidegate feedback` read with it, feedback.py keeps what it gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from tidegate.spec.errors import NeedsPerson

LONGEST: Final = 200
"""Characters of a request id or a metric's name."""
FIX: Final = '{"request_id": "...", "metric": "...", "value": 1.0}, a line each or as a list'
_FIELDS: Final = frozenset({"request_id", "metric", "value", "time"})


@dataclass(frozen=True, slots=True)
class Report:
    """One value of one metric for one request. `at`: when it was found (epoch seconds), None: now."""

    request: str
    metric: str
    value: float
    at: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        doc = {"request_id": self.request, "metric": self.metric, "value": self.value}
        return doc if self.at is None else {**doc, "time": self.at}


@dataclass(frozen=True, slots=True)
class Refused:
    """One that is no report: its place from 1 on, and why."""

    place: int
    why: str


def parse(body: bytes) -> Iterator[Report | Refused]:
    """The reports of a body. Raises NeedsPerson when it is neither JSON nor JSON lines."""
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        lines = body.splitlines()
        if len(lines) < 2:
            raise NeedsPerson(f"the body is no JSON: {error}", fix=FIX) from error
        yield from _lines(lines)
        return
    if isinstance(whole, dict) and isinstance(whole.get("feedback"), list) and len(whole) == 1:
        whole = whole["feedback"]
    if not isinstance(whole, dict | list):
        raise NeedsPerson("the body is JSON, but no report and no list of them", fix=FIX)
    for place, item in enumerate(whole if isinstance(whole, list) else [whole], start=1):
        yield report(item, place)


def _lines(lines: list[bytes]) -> Iterator[Report | Refused]:
    for place, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield Refused(place, "it is no JSON")
            continue
        yield report(item, place)


def report(item: Any, place: int) -> Report | Refused:
    """One report, or why it is none."""
    if not isinstance(item, dict):
        return Refused(place, "it is no mapping")
    unknown = sorted(set(item) - _FIELDS)
    if unknown:
        return Refused(place, f"unknown field '{str(unknown[0])[:LONGEST]}'")
    for name in ("request_id", "metric"):
        text = item.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
            return Refused(place, f"'{name}' must be text of 1 to {LONGEST} characters")
    value = item.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return Refused(place, "'value' must be a number; write 1 and 0 for true and false")
    try:
        at = _moment(item.get("time"))
    except (ValueError, OverflowError):
        return Refused(place, "'time' must be ISO 8601 or epoch seconds")
    return Report(item["request_id"], item["metric"], float(value), at)


def _moment(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if not isinstance(value, str):
        raise ValueError("no time")  # noqa: TRY004 the caller tells both alike
    found = datetime.fromisoformat(value)
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
