"""What was in production at a moment: from events, from notes alone, and where the two differ."""

from __future__ import annotations

from typing import Any

from tidegate.audit.past import JOURNAL, NOTES, Past, Ran, from_events, from_notes, joined
from tidegate.gitrepo.record import Note

A, B = Ran("a" * 12, "1.0.0"), Ran("b" * 12, "2.0.0")


def event(at: float, kind: str, ran: Ran = B, route: str = "digits", **more: Any) -> dict[str, Any]:
    common = {"phase": "shifting", "step": None, "weights": {A.release: 100.0}, "reason": f"why {at:g}", "commit": "c"}
    return {"at": at, "route": route, "kind": kind, "release": ran.release, "version": ran.version, **common, **more}


def note(at: float, kind: Any, ran: Ran, route: str = "digits", environment: str = "production") -> Note:
    return Note(
        kind, environment, route, ran.release[0] * 64, ran.version, "default", "c" * 40, "t" * 40, f"why {at:g}", at
    )


FIRST = [event(1, "started", A), event(2, "promoted", A)]
STEP = event(4, "step", B, step="canary", weights={A.release: 95.0, B.release: 5.0})


def test_a_first_release_is_stable_once_it_was_promoted() -> None:
    assert from_events(FIRST[:1])["digits"].stable is None
    past = from_events(FIRST)["digits"]
    assert (past.stable, past.candidate, past.since, past.word) == (A, None, 2, "promoted: why 2")


def test_a_candidate_has_the_share_of_its_step() -> None:
    past = from_events([*FIRST, event(3, "started"), STEP])["digits"]
    assert (past.stable, past.candidate, past.step, past.phase) == (A, B, "canary", "shifting")
    assert past.weights == {A.release: 95.0, B.release: 5.0}


def test_a_hold_changes_nobodys_release() -> None:
    past = from_events([*FIRST, event(3, "started"), STEP, event(5, "held", phase="holding", step="canary")])["digits"]
    assert (past.stable, past.candidate, past.phase) == (A, B, "holding")


def test_a_rejected_and_a_superseded_candidate_are_gone() -> None:
    for kind in ("rolled_back", "superseded"):
        past = from_events([*FIRST, event(3, "started"), STEP, event(5, kind)])["digits"]
        assert (past.stable, past.candidate, past.step) == (A, None, None)


def test_a_release_that_was_taken_back_after_its_promotion_gives_place_to_the_one_before() -> None:
    past = from_events([*FIRST, event(3, "started"), event(6, "promoted"), event(7, "rolled_back")])["digits"]
    assert past.stable == A


def test_the_way_back_is_a_promotion() -> None:
    past = from_events([*FIRST, event(3, "promoted"), event(8, "fast_rollback", A)])["digits"]
    assert (past.stable, past.candidate) == (A, None)


def test_what_a_server_or_a_standby_did_moves_no_release() -> None:
    past = from_events([*FIRST, event(5, "degraded", A), event(6, "standby_released", B)])["digits"]
    assert (past.stable, past.candidate, past.word) == (A, None, "standby_released: why 6")


def test_routes_are_told_apart() -> None:
    past = from_events([*FIRST, event(3, "promoted", B, route="digits/archive")])
    assert (past["digits"].stable, past["digits/archive"].stable) == (A, B)


def test_notes_alone_tell_what_was_promoted_up_to_the_moment() -> None:
    notes = [note(9, "promoted", A), note(2, "promoted", A), note(5, "promoted", B), note(7, "rejected", B)]
    assert from_notes(notes, "production", 1) == {}
    found = [from_notes(notes, "production", at)["digits"] for at in (2, 6, 8)]
    assert [one.stable and one.stable.version for one in found] == ["1.0.0", "2.0.0", "1.0.0"]
    assert found[0].source == NOTES
    assert found[0].weights is None
    assert found[0].stable == Ran("a" * 12, "1.0.0", "a" * 64, "default", "c" * 40)


def test_a_candidate_that_was_rejected_was_never_stable() -> None:
    notes = [note(2, "promoted", A), note(3, "rejected", B)]
    assert from_notes(notes, "production", 4)["digits"].stable == Ran("a" * 12, "1.0.0", "a" * 64, "default", "c" * 40)


def test_another_environments_notes_are_not_ours() -> None:
    assert from_notes([note(2, "promoted", A, environment="staging")], "production", 4) == {}


def test_the_journal_goes_first_and_notes_complete_it() -> None:
    notes = [note(2, "promoted", A)]
    [past] = joined(from_events(FIRST), from_notes(notes, "production", 4), notes)
    assert (past.source, past.doubts) == (JOURNAL, ())
    assert past.stable == Ran("a" * 12, "1.0.0", "a" * 64, "default", "c" * 40)


def test_where_journal_and_notes_differ_that_is_said() -> None:
    notes = [note(2, "promoted", B)]
    [past] = joined(from_events(FIRST), from_notes(notes, "production", 4), notes)
    assert past.stable == A
    assert past.doubts[0].startswith("git's notes say that 2.0.0")


def test_a_route_that_only_notes_know_says_that_shares_are_not_known() -> None:
    notes = [note(2, "promoted", B, route="other")]
    found: list[Past] = joined(from_events(FIRST), from_notes(notes, "production", 4), notes)
    assert [one.route for one in found] == ["digits", "other"]
    assert found[1].doubts == ("git's notes know promotions and rejections, and nothing of shares",)
