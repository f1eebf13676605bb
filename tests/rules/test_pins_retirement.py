"""When a provider retires a model: by the calendar that the caller brings, with the notice that governance gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from example_repo import edited

from tidegate.rules.context import Context
from tidegate.rules.pins import KINDS, judge
from tidegate.rules.pins.retirement import retirement, table
from tidegate.rules.registry import BY_ID
from tidegate.rules.rule import Example
from tidegate.spec.declared import load

VERSION = "models/assistant/versions/1.0.0.yaml"
DAY = date(2027, 1, 14)


def told(today: date | None, *, notice: int | None = 90, model: str = "gpt-4o-2024-08-06") -> list[tuple[str, str]]:
    """Rules and messages of both retirement rules for that model on that day."""
    files = edited(Example(VERSION, model, "gpt-5.5-2026-04-23"))
    context = Context(load(files, None), files, today=today)
    governance = context.declared.governance
    assert governance is not None
    changed = governance.value.model_copy(update={"end_of_life_notice_days": notice})
    kept = replace(governance, value=changed) if notice is not None else None
    context = replace(context, declared=replace(context.declared, governance=kept))
    rules = (BY_ID["retired-provider-model"], BY_ID["retiring-provider-model"])
    return [(found.rule, found.message) for rule in rules for found in rule.check(context)]


def test_without_a_calendar_nothing_is_told() -> None:
    assert told(None) == []


@pytest.mark.parametrize(
    ("days", "rule", "words"),
    [
        (91, "", ""),
        (90, "retiring-provider-model", "in 90 days, on 2027-01-14"),
        (1, "retiring-provider-model", "tomorrow, on 2027-01-14"),
        (0, "retired-provider-model", "on 2027-01-14"),
        (-400, "retired-provider-model", "on 2027-01-14"),
    ],
)
def test_the_notice_ends_on_the_day(days: int, rule: str, words: str) -> None:
    found = told(DAY - timedelta(days))
    assert [name for name, _ in found] == ([rule] if rule else [])
    assert all(words in message for _, message in found)


def test_governance_says_how_long_before() -> None:
    assert told(DAY - timedelta(20), notice=14) == []
    assert told(DAY - timedelta(120), notice=180) != []
    assert told(DAY - timedelta(90), notice=None) != [] and told(DAY - timedelta(91), notice=None) == []


def test_a_fine_tuned_model_goes_with_its_base() -> None:
    assert told(DAY, model="ft:gpt-4o-2024-08-06:acme:support:AbC123xy")[0][0] == "retired-provider-model"


def test_other_spellings_of_an_id_are_the_same_model() -> None:
    assert retirement("anthropic", "claude-sonnet-4@20250514") == retirement("anthropic", "claude-sonnet-4-20250514")
    assert retirement("gemini", "models/gemini-2.5-pro") == retirement("gemini", "gemini-2.5-pro")
    assert retirement("anthropic", "claude-2.1") is not None
    assert retirement("anthropic", "claude-20.1") is None
    assert retirement("openai", "claude-2.1") is None and retirement("openai", "ft:") is None


def test_every_row_is_of_a_kind_and_exact_rows_are_pinned_ids() -> None:
    rows = table()
    assert len(rows) > 40 and len({(row.kind, row.ids) for row in rows}) == len(rows)
    for row in rows:
        assert row.kind in KINDS and row.source.startswith("https://")
        assert "*" in row.ids or judge(row.kind, row.ids).pinned, row
        assert date(2024, 1, 1) < row.day < date(2030, 1, 1)
