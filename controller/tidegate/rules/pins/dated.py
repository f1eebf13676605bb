"""Kinds mistral, cohere, xai and deepseek: the date at the end of the id makes it a snapshot, each in its own way.

Neighbours: dates.py knows the calendar, families.py whose id it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tidegate.rules.pins import dates
from tidegate.rules.pins.families import ID, foreign, moving
from tidegate.rules.pins.verdict import Fixed, Floats, Outcome

_FOUR = re.compile(r"(.*[a-z0-9])-([0-9]{4})", re.ASCII)
_MM_YYYY = re.compile(r"(.*[a-z0-9])-([0-9]{2}-[0-9]{4})", re.ASCII)
_FIRST_MISTRAL = 2023


def mistral(ref: str) -> Outcome:
    """`...-YYMM`"""
    return _dated(ref, "mistral", "", _FOUR, lambda text: dates.year_month(text, _FIRST_MISTRAL))


def cohere(ref: str) -> Outcome:
    """`...-MM-20YY`"""
    return _dated(ref, "cohere", "", _MM_YYYY, dates.month_year)


def xai(ref: str) -> Outcome:
    """`grok-...-MMDD`"""
    return _dated(ref, "xai", "grok-", _FOUR, dates.month_day)


def deepseek(ref: str) -> Outcome:
    """`deepseek-...-MMDD`"""
    return _dated(ref, "deepseek", "deepseek-", _FOUR, dates.month_day)


def _dated(ref: str, kind: str, prefix: str, form: re.Pattern[str], impossible: Callable[[str], str | None]) -> Outcome:
    if not ID.fullmatch(ref):
        return Floats("it is no model id")
    why = foreign(ref, kind) or moving(ref)
    if why is None and not ref.startswith(prefix):
        why = f"it does not begin with '{prefix}'"
    if why is not None:
        return Floats(why)
    found = form.fullmatch(ref)
    if found is None:
        return Floats("an undated id is an alias of the newest snapshot")
    why = impossible(found[2])
    return Floats(why) if why is not None else Fixed("contract", "a dated snapshot")
