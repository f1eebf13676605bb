"""Dates in model ids, in the calendar and nowhere else. Each function says why its text is no date, or None.

Neighbours: the modules of the providers. Only ASCII digits count: `re.ASCII`, full match.
"""

from __future__ import annotations

import re
from datetime import date

_YEARS = "20[0-9]{2}"
_LEAP = 2024
_D4 = re.compile(rf"({_YEARS})-([0-9]{{2}})-([0-9]{{2}})", re.ASCII)
_D8 = re.compile(rf"({_YEARS})([0-9]{{2}})([0-9]{{2}})", re.ASCII)
_FOUR = re.compile(r"[0-9]{4}", re.ASCII)
_MM_YYYY = re.compile(rf"([0-9]{{2}})-{_YEARS}", re.ASCII)


def day(text: str) -> str | None:
    """YYYY-MM-DD."""
    return _exists(_D4.fullmatch(text), text, "YYYY-MM-DD")


def compact(text: str) -> str | None:
    """YYYYMMDD."""
    return _exists(_D8.fullmatch(text), text, "YYYYMMDD")


def month_day(text: str) -> str | None:
    """MMDD, of any year: 0229 exists."""
    if not _FOUR.fullmatch(text):
        return f"'{text}' is no MMDD"
    return _on(_LEAP, int(text[:2]), int(text[2:]), text)


def year_month(text: str, since: int = 2020) -> str | None:
    """YYMM, not before the year `since`."""
    if not _FOUR.fullmatch(text):
        return f"'{text}' is no YYMM"
    if 2000 + int(text[:2]) < since:
        return f"'{text}' is no YYMM: there was no model in {2000 + int(text[:2])}"
    return None if 1 <= int(text[2:]) <= 12 else f"there is no month {text[2:]}"


def month_year(text: str) -> str | None:
    """MM-20YY."""
    found = _MM_YYYY.fullmatch(text)
    if found is None:
        return f"'{text}' is no MM-20YY"
    return None if 1 <= int(found[1]) <= 12 else f"there is no month {found[1]}"


def _exists(found: re.Match[str] | None, text: str, form: str) -> str | None:
    if found is None:
        return f"'{text}' is no {form}"
    return _on(int(found[1]), int(found[2]), int(found[3]), text)


def _on(year: int, month: int, of_month: int, text: str) -> str | None:
    try:
        date(year, month, of_month)
    except ValueError:
        return f"there is no month {month:02}" if not 1 <= month <= 12 else f"'{text}' is in no calendar"
    return None
