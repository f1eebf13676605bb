"""JSON over HTTP: one value for each release, or counters, picked out of the answer by JMESPath.

`null`, or a path that is not there, is no data; text, a list or a truth value in a number's place is an error.
Neighbours: http.py asks, ask.py calls. https://jmespath.org/specification.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import jmespath
from jmespath.exceptions import JMESPathError

from tidegate.sources.access import Access
from tidegate.sources.http import ask_json, place
from tidegate.sources.interface import Reading
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.sources import WebhookSource, render


async def readings(
    session: aiohttp.ClientSession, source: WebhookSource, variables: Mapping[str, str], now: float, access: Access
) -> tuple[tuple[Reading, ...], str]:
    """What one release shows `now` (epoch seconds), and why nothing where nothing is.

    Raises RetryLater when the server cannot be asked just now, NeedsPerson when it, or a path, is wrong.
    """
    url = render(source.url, {name: quote(value, safe="") for name, value in variables.items()})
    body = _rendered(source.body, variables) if source.body is not None else None
    doc = await ask_json(session, source.method, url, headers=access.headers(url), body=body)
    where = place(url)
    at = _moment(_found(doc, source.time, variables, where), where) if source.time is not None else now
    if at is None:
        return (), f"there is no time at '{source.time}'"
    if now - at > source.freshness:
        return (), f"the value is {now - at:.0f} s old, and {source.stale} is the most"
    paths = [path for path in (source.value, source.events, source.total) if path is not None]
    values = [_number(_found(doc, path, variables, where), path, where) for path in paths]
    for path, value in zip(paths, values, strict=True):
        if value is None:
            return (), f"there is nothing at '{path}'"
    numbers = [value for value in values if value is not None]
    if source.value is not None:
        return (Reading(at, numbers[0]),), ""
    events, total = numbers
    if not (events.is_integer() and total.is_integer() and 0 <= events <= total):
        raise NeedsPerson(
            f"{events:g} events among a total of {total:g}",
            where=where,
            fix="give two counters that count up: whole numbers, and every event is in 'total', too",
        )
    return (Reading(at, counts=(int(events), int(total))),), ""


def _found(doc: Any, path: str, variables: Mapping[str, str], where: str) -> Any:
    try:
        return jmespath.search(render(path, variables), doc)
    except (JMESPathError, RecursionError) as error:
        message = " ".join(str(error).split())
        raise NeedsPerson(f"'{path}' cannot be looked up: {message}", where=where, fix="mend the path") from error


def _number(value: Any, path: str, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = {bool: "a truth value", str: "text", list: "a list", dict: "a mapping"}.get(type(value), "no number")
        raise NeedsPerson(f"at '{path}' stands {kind}", where=where, fix="write a path that leads to one number")
    if not math.isfinite(value):
        raise NeedsPerson(f"at '{path}' stands {value}", where=where, fix="let it answer null where there is nothing")
    return float(value)


def _moment(value: Any, where: str) -> float | None:
    """Epoch seconds of ISO 8601 (without an offset: UTC) or of a number."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        fix = "write a path that leads to ISO 8601 or to epoch seconds"
        raise NeedsPerson(f"'{str(value)[:60]}' is no time", where=where, fix=fix) from error
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def _rendered(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return render(value, variables)
    if isinstance(value, Mapping):
        return {name: _rendered(part, variables) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rendered(part, variables) for part in value]
    return value
