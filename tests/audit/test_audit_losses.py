"""What is missing in the record is noticed once, counted where it can be, and journaled with the cursor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tidegate.engine.losses import GATEWAY, Losses
from tidegate.gateway.record import Cursor
from tidegate.gateway.supervisor import Ended
from tidegate.journal.journal import Journal


class Around:
    """Steering and evidence, as far as losses look at them; time stands still until told."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.count: Ended | None = Ended(7, 70, 0, 0)
        self.cursor = Cursor()
        self.lines = 0
        self.read_to: float | None = 1000.0
        self.orderly: set[int] = set()

    def ended(self) -> Ended | None:
        return self.count

    def told_to_end(self, pid: int) -> bool:
        return pid in self.orderly

    def answer(self, number: int, written: int | None = None) -> None:
        """So many answers, and so many lines of them."""
        assert self.count is not None
        self.count = replace(self.count, requests=self.count.requests + number)
        self.lines += number if written is None else written
        self.read_to = self.time


class Watched:
    """Losses with a journal, pass after pass."""

    def __init__(self, path: Path) -> None:
        self.around = Around()
        self.journal = Journal(path / "journal.db", now=lambda: self.around.time)
        self.restart()

    def restart(self) -> None:
        """Another controller on the same journal."""
        around: Any = self.around
        known, seen = self.journal.losses(), self.journal.cursor(GATEWAY)
        self.losses = Losses(around, around, known, seen, lambda: around.time, lambda: around.time)

    def step(self, *, caught_up: bool = True) -> list[dict[str, Any]]:
        """A pass, a second later; what the journal knows after it."""
        self.around.time += 1.0
        self.losses.ask()
        self.losses.compare(caught_up=caught_up)
        if self.losses.pending:
            with self.journal.transaction() as transaction:
                self.losses.put(transaction)
            self.losses.saved()
        return self.journal.losses()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.journal.close()


def test_a_gateway_whose_every_answer_has_a_line_loses_nothing(watched: Watched) -> None:
    for number in (0, 5, 3, 0, 0, 8):
        watched.around.answer(number)
        assert watched.step() == []


def test_answers_without_a_line_are_counted_once_the_gateway_is_quiet(watched: Watched) -> None:
    watched.step()
    watched.step()
    watched.around.answer(10, written=7)
    assert watched.step() == []
    [loss] = watched.step()
    assert (loss["kind"], loss["lines"]) == ("unwritten", 3)
    assert watched.step() == [loss]


def test_a_line_that_cannot_be_read_is_told_once_and_not_as_unwritten_too(watched: Watched) -> None:
    watched.step()
    watched.step()
    watched.around.answer(5, written=4)
    watched.around.cursor = Cursor(malformed=1)
    watched.step()
    assert [one["kind"] for one in watched.step()] == ["malformed"]


def test_lines_that_come_late_are_no_loss(watched: Watched) -> None:
    watched.step()
    watched.step()
    watched.around.answer(10, written=0)
    watched.step()
    assert watched.step(caught_up=False) == []
    watched.around.lines += 10
    assert watched.step() == []


def test_a_gateway_that_was_killed_lost_at_most_what_came_since_its_last_line(watched: Watched) -> None:
    for _ in range(3):
        watched.around.answer(100)
        watched.step()
    watched.around.read_to = watched.around.time - 0.5
    watched.around.count = Ended(8, 80, 0, 0)
    [loss] = watched.step()
    assert (loss["kind"], loss["lines"], loss["from"]) == ("gateway", 150, watched.around.read_to)
    assert "at most about 150 answers" in loss["text"]
    assert watched.step() == [loss]


def test_a_gateway_that_was_told_to_end_or_was_relieved_lost_nothing(watched: Watched) -> None:
    watched.step()
    watched.around.orderly.add(7)
    watched.around.count = Ended(8, 80, 0, 0)
    assert watched.step() == []
    watched.around.count = Ended(9, 90, 1, 0)
    assert watched.step() == []


def test_a_gateway_that_was_killed_while_no_controller_looked_is_noticed_by_the_next(watched: Watched) -> None:
    watched.step()
    watched.around.count = Ended(8, 80, 0, 0)
    watched.restart()
    [loss] = watched.step()
    assert (loss["kind"], loss["lines"]) == ("gateway", None)
    assert "not known how many" in loss["text"]
    watched.restart()
    assert watched.step() == [loss]


def test_malformed_lines_and_gaps_are_told_each_time_they_grow(watched: Watched) -> None:
    watched.step()
    watched.around.cursor = Cursor(malformed=2)
    [malformed] = watched.step()
    watched.around.cursor = Cursor(malformed=2, losses=1)
    found = watched.step()
    assert (malformed["kind"], malformed["lines"]) == ("malformed", 2)
    assert [one["kind"] for one in found] == ["malformed", "gap"]
    assert [one["kind"] for one in watched.losses.newest()] == ["malformed", "gap"]


def test_what_could_not_be_journaled_is_not_forgotten(watched: Watched) -> None:
    watched.step()
    watched.around.cursor = Cursor(malformed=1)
    watched.losses.compare(caught_up=True)
    assert watched.losses.pending
    assert [one["kind"] for one in watched.losses.newest()] == ["malformed"]
    assert [one["kind"] for one in watched.step()] == ["malformed"]


def test_an_envoy_that_does_not_say_tells_nothing(watched: Watched) -> None:
    watched.step()
    watched.around.count = None
    assert watched.step() == []
