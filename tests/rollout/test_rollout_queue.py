"""At most so many rollouts at once: whose turn it is, what waits for what, and that waiting costs nothing but time."""

from __future__ import annotations

from dataclasses import replace

from rollout_world import Drive, promoted, release

from tidegate.rollout.capacity import hot_releases
from tidegate.rollout.queue import Turns
from tidegate.rollout.state import Hold, Phase, Readiness

BUSY = "1 of 1 rollouts are under way (ranker): it waits for its turn"


def trial(route: str, started_at: float = 0.0, **changes: object) -> Drive:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    assert drive.state.candidate is not None
    candidate = replace(drive.state.candidate, started_at=started_at, **changes)  # type: ignore[arg-type]  # fields by name
    drive.state = replace(drive.state, route=route, candidate=candidate)
    return drive


def test_without_a_limit_nobody_waits() -> None:
    turns = Turns({name: trial(name).state for name in "abc"}, None)
    assert [turns.why_not(name) for name in "abcd"] == [""] * 4


def test_a_route_waits_while_as_many_as_may_are_under_way_and_is_told_which() -> None:
    turns = Turns({name: trial(name).state for name in "abcdef"}, 5)
    assert turns.why_not("g") == "6 of 5 rollouts are under way (a, b, c and 3 more): it waits for its turn"
    assert turns.why_not("a") == ""


def test_the_first_that_came_goes_first() -> None:
    late, early = (
        trial(name, at, hold=Hold.QUEUED, phase=Phase.HOLDING) for name, at in (("late", 2.0), ("early", 1.0))
    )
    turns = Turns({"late": late.state, "early": early.state, "busy": trial("busy").state}, 2)
    assert turns.why_not("early") == ""
    assert "waits for its turn" in turns.why_not("late")
    assert "waits for its turn" in turns.why_not("newcomer")


def test_a_place_that_falls_free_in_a_pass_is_given_in_it_once() -> None:
    states = {name: trial(name).state for name in ("a", "b")}
    turns = Turns(states, 2)
    assert turns.why_not("c")
    turns.note("a", replace(states["a"], candidate=None))
    assert turns.why_not("c") == ""
    turns.note("c", states["a"])
    assert turns.why_not("d")


def test_first_releases_and_ways_back_take_no_place() -> None:
    first = replace(trial("first").state, stable=None)
    back = trial("back", fast=True).state
    assert Turns({"first": first, "back": back}, 1).why_not("other") == ""


def test_what_waits_for_its_turn_runs_nothing_and_is_told_once() -> None:
    drive = promoted("1.0.0")
    drive.commits += 1
    drive.unwell("2.0.0", Readiness.COLD)
    drive.declare("2.0.0")
    drive.state = replace(drive.state, candidate=None)
    drive.events.clear()
    events = drive.look(queued=BUSY)
    assert drive.kinds(events) == ["started 2.0.0", "held 2.0.0"]
    assert events[1].reason == BUSY
    assert [one.version for one in hot_releases(drive.state)] == ["1.0.0"]
    for _ in range(10):
        drive.pass_time(3600)
        assert drive.look(queued=BUSY) == []
    assert drive.kinds(drive.look()) == ["resumed 2.0.0"]
    assert release("2.0.0") in hot_releases(drive.state)
    drive.pass_time(600)
    assert drive.look() == [], "the time in the queue does not count as a start that takes too long"
    drive.well("2.0.0")
    assert drive.kinds([*drive.look(), *drive.look()]) == ["step 2.0.0"]


def test_a_rollout_that_has_begun_is_not_sent_back_to_the_queue() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    assert drive.look(queued=BUSY) == []
    assert drive.phase is Phase.SHIFTING


def test_a_first_release_and_a_way_back_do_not_wait() -> None:
    drive = Drive()
    drive.declare("1.0.0")
    drive.state = replace(drive.state, stable=None, candidate=None)
    assert drive.kinds(drive.look(queued=BUSY)) == ["started 1.0.0", "promoted 1.0.0"]
    drive = promoted("1.0.0", "2.0.0")
    drive.wish = replace(drive.wish, release=release("1.0.0"), touched="back")  # type: ignore[type-var]  # it is set
    assert drive.kinds(drive.look(queued=BUSY)) == ["fast_rollback 1.0.0"]
