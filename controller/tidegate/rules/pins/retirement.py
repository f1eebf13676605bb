"""When a provider stops to serve a model id: the rows of retirement.yaml. A pin that nobody serves any more is no pin.

Neighbours: checks/pins/retired_provider_model.py and its neighbour compare the dates with `context.today`, never with a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Final

from tidegate.rules.context import Context
from tidegate.rules.pins.providers import kind_of
from tidegate.spec.declared import Loaded
from tidegate.spec.source import parse
from tidegate.spec.version import ModelVersion

TABLE: Final = Path(__file__).with_name("retirement.yaml")
DEFAULT_NOTICE: Final = 90
"""Days, where policies/governance.yaml says nothing: the default of `end_of_life_notice_days`."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """One row: ids of this form do not answer from that day on, as the provider's own page says."""

    kind: str
    ids: str
    day: date
    source: str


@cache
def table() -> tuple[Retirement, ...]:
    """All rows, in the order of the file; read once, when the first version with a provider is judged."""
    found = parse(TABLE.read_bytes(), TABLE.name)
    return tuple(
        Retirement(row["kind"], ids, date.fromisoformat(day), row["source"])
        for row in found.data
        for day, models in row["dates"].items()
        for ids in models
    )


def retirement(kind: str, model: str) -> Retirement | None:
    """The row of a model id; a fine-tuned model goes with its base."""
    base = model.split(":")[1] if kind == "openai" and model.startswith("ft:") else model
    base = base.replace("@", "-") if kind == "anthropic" else base.removeprefix("models/")
    rows = (row for row in table() if row.kind == kind)
    return next((row for row in rows if row.ids == base or fnmatchcase(base, row.ids)), None)


def retirements(context: Context) -> Iterator[tuple[Loaded[ModelVersion], Retirement, int]]:
    """Every version of a provider with a date, and the days until then (negative: since). None without a calendar."""
    if context.today is None:
        return
    for _, version in context.versions():
        provider = version.value.provider
        kind = kind_of(provider.name, provider.model) if provider is not None else None
        found = retirement(kind, provider.model) if provider is not None and kind is not None else None
        if found is not None:
            yield version, found, (found.day - context.today).days


def notice(context: Context) -> int:
    """The days before a retirement from which on it is told."""
    governance = context.declared.governance
    return governance.value.end_of_life_notice_days if governance is not None else DEFAULT_NOTICE
