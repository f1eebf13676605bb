"""What a pass decided, in one transaction: nothing that was decided later is undone by what was decided before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tidegate.analysis.model import Arm, Batch
from tidegate.engine.journaling import Journaling, Taken
from tidegate.journal.journal import Journal
from tidegate.rollout.state import Advance, Event, EventKind, GitDuty, RouteState
from tidegate.spec.release import Release

QUIET: Any = SimpleNamespace(pending=False, put=lambda _: None, saved=lambda: None)
"""Losses, or sources, with nothing to write."""


def release(version: str) -> Release:
    return Release("digits", version, None, version[0] * 64, version[0] * 64, "c" * 40)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db") as opened:
        yield opened


def save(journaling: Journaling, *states: RouteState) -> None:
    by_route = {state.route: state for state in states}
    journaling.save(by_route, lambda: {}, 1.0, absorbed=False, losses=QUIET, sources=QUIET)


def test_a_route_that_ended_is_forgotten(journal: Journal) -> None:
    model, feature = (RouteState(route, stable=release("1.0.0")) for route in ("digits", "digits/archive"))
    journaling = Journaling(journal, ["digits", "digits/archive"])
    save(journaling, model, feature)
    assert journal.states().keys() == {"digits", "digits/archive"}
    journaling.dropped(feature)
    save(journaling, model)
    assert journal.states().keys() == {"digits"}


def test_a_route_that_ended_and_began_again_between_two_saves_keeps_its_new_state(journal: Journal) -> None:
    model, feature = (RouteState(route, stable=release("1.0.0")) for route in ("digits", "digits/archive"))
    journaling = Journaling(journal, ["digits", "digits/archive"])
    save(journaling, model, feature)
    journaling.dropped(feature)  # and the journal cannot be written just then
    again = RouteState("digits/archive", stable=release("2.0.0"))
    journaling.changed("digits/archive")
    save(journaling, model, again)
    assert journal.states()["digits/archive"]["stable"]["version"] == "2.0.0"


def test_what_a_model_owes_git_for_a_feature_that_ended_outlives_a_move_that_is_put_back(journal: Journal) -> None:
    before = RouteState("digits", stable=release("1.0.0"))
    moved = RouteState("digits", stable=release("2.0.0"))
    event = Event(1.0, "digits", EventKind.PROMOTED, "2", "2.0.0", "promoted", None, {}, "", "c" * 40)
    journaling = Journaling(journal, ["digits"])
    window = Batch(1, 10.0, 20.0, Arm(), Arm())
    assert journaling.decided("digits", before, Taken((window,)), Advance(moved, (event,)))
    forget = GitDuty(
        "forget-1", "forget", release("1.0.0"), "c" * 40, "it follows its model again", route="digits/archive"
    )
    now = {"digits": RouteState("digits", stable=release("2.0.0"), duties=(forget,))}
    [back] = journaling.put_back(now).values()
    assert back == RouteState("digits", stable=release("1.0.0"), duties=(forget,))
    journaling.shift(-5.0)
    [again] = journaling.unused("digits").batches
    assert (again.start, again.end) == (5.0, 15.0)
    assert journaling.unused("digits") == Taken()
