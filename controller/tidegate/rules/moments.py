"""Moments as people and programs write them in a declaration: ISO 8601, to the day or finer.

Neighbours: the rules of evidence and governance compare them; none of them asks a clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, and the time on it where that was written; without a zone it is taken as UTC."""

    day: date
    time: datetime | None = None

    def before(self, other: Moment) -> bool:
        """Whether this is earlier for sure: on another day, unless both have a time."""
        if self.time is not None and other.time is not None:
            return self.time < other.time
        return self.day < other.day


def moment(written: object) -> Moment | None:
    """What was written, or None when it is no moment."""
    if not isinstance(written, str):
        return None
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", written):
            return Moment(date.fromisoformat(written))
        if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:?[0-9]{2}", written):
            time = datetime.fromisoformat(written)
            time = time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)
            return Moment(time.date(), time)
    except (ValueError, OverflowError):
        return None
    return None
