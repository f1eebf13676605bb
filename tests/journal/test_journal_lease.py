"""Two controllers on one journal: one acts, the other watches; who hangs too long has lost it and writes nothing more."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tidegate.journal.journal import Journal
from tidegate.journal.lease import RENEW, TTL, Holder, LeaseHeld, LeaseLost, Patience
from tidegate.journal.reader import Reader


class Clock:
    """Seconds that only tests move."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def watched(path: Path, clock: Clock, patience: Patience) -> Journal:
    return Journal(path, clock=clock, patience=patience, name="the other")


def test_who_lives_keeps_it_however_long_the_other_watches(path: Path, clock: Clock) -> None:
    patience = Patience(clock)
    with Journal(path, clock=clock, name="the first") as journal:
        for _ in range(20):
            clock.now += RENEW
            journal.hold()
            with pytest.raises(LeaseHeld, match="another controller acts \\(the first\\); this one watches"):
                watched(path, clock, patience)
        assert journal.ours


def test_who_ends_gives_it_away_at_once(path: Path, clock: Clock) -> None:
    Journal(path, clock=clock, name="the first").close()
    with Journal(path, clock=clock, name="the other") as journal:
        holder = journal.acting()
        assert holder is not None
        assert (holder.owner, holder.epoch) == ("the other", 2)


def test_who_hangs_loses_it_after_its_time_and_writes_nothing_more(path: Path, clock: Clock) -> None:
    patience = Patience(clock)
    first = Journal(path, clock=clock, name="the first")
    with pytest.raises(LeaseHeld):
        watched(path, clock, patience)
    clock.now += TTL - 0.1
    with pytest.raises(LeaseHeld):
        watched(path, clock, patience)
    clock.now += 0.2
    assert first.ours  # nobody took it yet
    with watched(path, clock, patience) as other:
        with pytest.raises(LeaseLost, match="another one acts since then \\(the other\\)"), first.transaction() as t:
            t.put_state("digits", {"n": 1})
        with pytest.raises(LeaseLost):
            first.hold()
        assert other.states() == {}
        first.close()
        clock.now += RENEW
        other.hold()  # the lock of the one that hung is free by now, and taken
        with Reader(path) as reader:
            holder = reader.acting()
        assert holder is not None
        assert (holder.owner, holder.locked) == ("the other", True)


def test_a_free_lock_does_not_say_that_who_acts_without_it_is_dead(path: Path, clock: Clock) -> None:
    patience = Patience(clock)
    first = Journal(path, clock=clock, name="the first")
    with pytest.raises(LeaseHeld):
        watched(path, clock, patience)
    clock.now += TTL + 1
    other = watched(path, clock, patience)
    first.close()
    with pytest.raises(LeaseHeld, match="the other"):
        Journal(path, clock=clock, name="a third")
    other.close()


def test_an_outsider_s_clock_decides_nothing(path: Path, clock: Clock) -> None:
    early, late = Clock(), Clock()
    late.now += 10 * TTL
    with Journal(path, clock=early, name="the first"), pytest.raises(LeaseHeld):
        Journal(path, clock=late, patience=Patience(late), name="the other")


def test_where_nothing_can_be_written_who_acts_goes_on(path: Path, clock: Clock) -> None:
    with Journal(path, clock=clock) as journal:
        with journal._writing.connect() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.execute("PRAGMA query_only = ON")
        clock.now += 10 * TTL
        journal.hold()
        with journal._writing.connect() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.execute("PRAGMA query_only = OFF")
        journal.hold()
        assert journal.ours


@pytest.mark.parametrize(
    "change",
    [{"owner": "process 7 on b"}, {"epoch": 4}, {"beat": 8}, {"locked": True}, {"since": 900.0}],
    ids=lambda change: next(iter(change)),
)
def test_patience_begins_anew_with_whatever_is_new_about_the_holder(clock: Clock, change: dict[str, Any]) -> None:
    """Another journal in this place counts its epochs and beats anew: two holders may be alike in either."""
    patience = Patience(clock)
    seen = Holder("process 1 on a", 3, 7, False, 500.0)
    assert not patience.over(seen)
    clock.now += TTL
    other = replace(seen, **change)
    assert not patience.over(other)
    clock.now += TTL
    assert not patience.over(other)
    clock.now += 0.1
    assert patience.over(other)
