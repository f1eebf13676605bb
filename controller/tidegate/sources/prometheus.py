"""PromQL over HTTP: one value for each release, at one moment (instant query) or at several (range query).

An answer with several series is an error, never a choice; NaN and infinity are told as such; an empty one is no data. So
is a value whose newest sample is old. Neighbours: http.py asks, ask.py calls. https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aiohttp

from tidegate.sources.access import Access
from tidegate.sources.http import ask_json
from tidegate.sources.interface import Arm, Reading
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.sources import PrometheusSource, render

Values = dict[float, float]
"""By moment (epoch seconds)."""
Ages = dict[float, float] | None
"""By moment, when the newest sample was taken; None where a query has no samples."""
LOOK_BACK = 300.0
"""Seconds; Prometheus's default."""
NAN_FIX = "where it divides by what may be zero, write `/ (... > 0)`: then nothing to divide by is no data"


async def readings(
    session: aiohttp.ClientSession,
    source: PrometheusSource,
    variables: Mapping[str, str],
    arm: Arm,
    times: Sequence[float],
    access: Access,
) -> tuple[tuple[Reading, ...], str]:
    """What one release showed at `times` (epoch seconds, in order, evenly spaced), and why nothing where nothing is.

    Raises RetryLater when the server cannot be asked just now, NeedsPerson when it, or the query, is wrong.
    """
    ask = _Asker(session, access.prometheus(source.address), access, times)
    if source.query is not None:
        query = render(source.query, variables)
        values, aged = await asyncio.gather(ask.values(query), ask.ages(query))
        fresh = {at: value for at, value in values.items() if _age(at, aged) <= source.freshness}
        if not fresh:
            return (), _why(values, aged, source)
        odd = next((value for value in fresh.values() if not math.isfinite(value)), None)
        if odd is not None and arm == "candidate":
            raise NeedsPerson(f"the query gives {_name(odd)} for {variables['version']}", where=ask.where, fix=NAN_FIX)
        kept = tuple(Reading(at, value) for at, value in sorted(fresh.items()) if math.isfinite(value))
        return kept, "" if kept else f"the query gives {_name(odd or math.nan)}"
    queries = [render(text, variables) for text in (source.events or "", source.total or "")]
    events, total = await asyncio.gather(*map(ask.values, queries))
    aged = await ask.ages(" + ".join(f"({query})" for query in queries))
    both = {at: min(events[at], total[at]) for at in events.keys() & total.keys()}
    counted = [
        Reading(at, counts=_counts(events[at], total[at], ask.where))
        for at in sorted(both)
        if _age(at, aged) <= source.freshness
    ]
    if counted or both:
        return tuple(counted), "" if counted else _why(both, aged, source)
    name = "total" if not total else "events"
    return (), f"'{name}' gives nothing: where that means none, write `... or vector(0)`"


class _Asker:
    """Queries of one look, all at the same moments."""

    def __init__(self, session: aiohttp.ClientSession, address: str, access: Access, times: Sequence[float]) -> None:
        self.where = address
        self._session = session
        self._access = access
        self._times = times

    async def values(self, query: str) -> Values:
        """The one series' values by moment. Raises NeedsPerson where there are several, or where it is no number."""
        first, last = self._times[0], self._times[-1]
        single = len(self._times) == 1
        path = "query" if single else "query_range"
        step = (last - first) / (len(self._times) - 1) if not single else 0.0
        moments = (
            {"time": f"{first:.3f}"}
            if single
            else {"start": f"{first:.3f}", "end": f"{last:.3f}", "step": f"{step:.3f}"}
        )
        url = f"{self.where}/api/v1/{path}"
        doc = await ask_json(
            self._session, "POST", url, headers=self._access.headers(url), form={"query": query, **moments}
        )
        try:
            return self._parsed(doc["data"]["resultType"], doc["data"]["result"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise NeedsPerson(
                "the answer is none of Prometheus",
                where=self.where,
                fix="mend the address: `/api/v1/query` is added to it",
            ) from error

    async def ages(self, query: str) -> Ages:
        """When the samples that the value at each moment rests on were taken: of the oldest of its newest ones."""
        series = sorted(set(selectors(query)))
        if not series:
            return None
        found = await asyncio.gather(*(self.values(f"max(timestamp({one}))") for one in series))
        moments = {at for ages in found for at in ages}
        return {at: min(ages[at] for ages in found if at in ages) for at in moments}

    def _parsed(self, kind: str, result: Any) -> Values:
        if kind == "scalar":
            return {self._times[0]: float(result[1])}
        if kind != ("vector" if len(self._times) == 1 else "matrix"):
            what = "several values of each series" if kind == "matrix" else f"a {kind}"
            raise NeedsPerson(f"the query gives {what}", where=self.where, fix="write a query that gives one number")
        if len(result) > 1:
            labels = " and ".join(_labels(one["metric"]) for one in result[:2])
            raise NeedsPerson(
                f"the query gives {len(result)} series, such as {labels}",
                where=self.where,
                fix='write a query that gives one: sum(...), or more labels such as release="{{release}}"',
            )
        if not result:
            return {}
        if kind == "vector":
            return {self._times[0]: float(result[0]["value"][1])}
        points = [(float(at), float(value)) for at, value in result[0]["values"]]
        return {min(self._times, key=lambda time: abs(time - at)): value for at, value in points}


def selectors(query: str) -> Iterator[str]:
    """The selectors of a query whose samples are of now: those moved by `offset` or `@` tell nothing about age."""
    from promql_parser import parse  # lazily: only who asks a Prometheus pays for it

    try:
        tree = parse(query)
    except ValueError:
        return  # the server may know more of PromQL than this parser; it will say when it does not
    yield from _selectors(tree)


def _selectors(tree: Any) -> Iterator[str]:
    rest = [tree]
    while rest:
        node = rest.pop()
        found = getattr(node, "vector_selector", None) or (node if type(node).__name__ == "VectorSelector" else None)
        if found is not None:
            if found.offset is None and found.at is None:
                yield found.prettify()
        elif type(node).__name__ != "SubqueryExpr" or (node.offset is None and node.at is None):
            for name in ("args", "expr", "rhs", "lhs"):
                part = getattr(node, name, None)
                rest += reversed(part) if isinstance(part, list) else [part] if part is not None else []


def _counts(events: float, total: float, where: str) -> tuple[int, int]:
    fix = "name counters, such as sum(orders_total): Tidegate reckons what they grew by"
    for value in (events, total):
        if not math.isfinite(value) or value < 0 or abs(value - round(value)) > 1e-6:
            raise NeedsPerson(f"a counter stands at {value:g}, which is no whole number", where=where, fix=fix)
    if events > total:
        raise NeedsPerson(
            f"{events:,.0f} events among a total of {total:,.0f}", where=where, fix="let 'total' count every event, too"
        )
    return round(events), round(total)


def _age(at: float, aged: Ages) -> float:
    """Seconds since the newest sample was taken. Prometheus tells of none that is older than its look-back."""
    if aged is None:
        return 0.0
    return at - aged[at] if at in aged else LOOK_BACK


def _why(values: Values, aged: Ages, source: PrometheusSource) -> str:
    if not values:
        return "the query gives nothing"
    newest = min(_age(at, aged) for at in values)
    return f"the newest sample is {newest:.0f} s old or older, and {source.stale} is the most"


def _labels(metric: Mapping[str, str]) -> str:
    """Without what the scrape added: `load{pod="1"}`."""
    named = (f'{name}="{value}"' for name, value in metric.items() if name not in ("__name__", "instance", "job"))
    return f"{metric.get('__name__', '')}{{{', '.join(named)}}}"


def _name(value: float) -> str:
    return "NaN" if math.isnan(value) else "infinity"
