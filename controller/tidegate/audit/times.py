"""Moments as people write them on a command line: `2026-11-21`, `2026-11-21T04:54:37Z`, or `2h` for two hours ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tidegate.spec.units import parse_duration


def moment(text: str, now: float, *, end: bool = False) -> float:
    """Epoch seconds; without a zone it is UTC. `end`: a bare day means its end. Raises ValueError."""
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"'{text}' is no time: write it like 2026-11-21, 2026-11-21T04:54Z, or 2h for two hours ago"
        ) from None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    if end and len(text) == len("2026-11-21"):
        found += timedelta(days=1)
    return found.timestamp()


def shown(at: float, *, fine: bool = False) -> str:
    """A moment for people; `fine`: to the millisecond."""
    text = datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="milliseconds" if fine else "seconds")
    return text.removesuffix("+00:00") + "Z"
