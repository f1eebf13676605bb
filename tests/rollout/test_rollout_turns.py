"""Git changes its mind: superseded, reverted, back to a former release; and a stable release that dies."""

from __future__ import annotations

from dataclasses import replace

from rollout_world import STEPS, Drive, policy, promoted, release

from tidegate.rollout.machine import advance
from tidegate.rollout.state import EventKind, Hold, Phase, Readiness, RouteState, Seen
from tidegate.rollout.traffic import hot


def test_a_newer_release_takes_the_place_of_one_on_trial_and_starts_at_the_first_step() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(70)
    drive.unwell("3.0.0")
    events = drive.declare("3.0.0")
    assert drive.kinds(events) == ["superseded 2.0.0", "started 3.0.0"]
    assert drive.weights == {"1.0.0": 100}
    drive.well("3.0.0")
    drive.look()
    assert drive.weights == {"1.0.0": 95, "3.0.0": 5}
    drive.serve(180)
    assert drive.state.stable is not None
    assert drive.state.stable.version == "3.0.0"
    assert [r.version for r in drive.state.promoted] == ["3.0.0", "1.0.0"]
    assert drive.state.rejected == ()


def test_a_person_who_takes_back_what_is_on_trial_gets_the_stable_release_at_once() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(70)
    events = drive.declare("1.0.0")
    assert drive.kinds(events) == ["superseded 2.0.0"]
    assert drive.weights == {"1.0.0": 100}
    assert drive.state.rejected == ()
    assert drive.state.duties == ()
    assert drive.serve(600) == []


def test_taking_back_works_while_the_rollout_is_held() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.edit(hold=True)
    assert drive.kinds(drive.declare("1.0.0", hold=True)) == ["superseded 2.0.0"]
    assert drive.weights == {"1.0.0": 100}


def test_a_breach_and_a_persons_revert_in_the_same_moment_are_one_rollback() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.pass_time(10)
    batch = drive.batch(requests=4000, errors=(0.01, 0.6))
    drive.commits += 1
    back = release("1.0.0")
    drive.wish = replace(drive.wish, release=back, touched="commit-9") if drive.wish else None
    events = drive.look(batches=(batch,))
    assert drive.kinds(events) == ["superseded 2.0.0"]
    assert drive.idle(60) == []


def test_a_revert_to_a_hot_former_release_moves_all_traffic_at_once() -> None:
    drive = promoted("1.0.0", "2.0.0")
    (event,) = drive.declare("1.0.0")
    assert (event.kind, event.version) == (EventKind.FAST_ROLLBACK, "1.0.0")
    assert drive.weights == {"1.0.0": 100}
    assert event.weights == {release("1.0.0").id: 100}
    assert [s.release.version for s in drive.state.standby] == ["2.0.0"]
    assert [r.version for r in drive.state.promoted] == ["1.0.0", "2.0.0"]
    (duty,) = drive.state.duties
    assert (duty.kind, duty.commit) == ("promote", "commit-3")
    assert drive.serve(600) == []


def test_a_revert_to_a_former_release_that_is_not_hot_goes_at_once_when_it_is_ready() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.unwell("1.0.0")
    assert drive.kinds(drive.declare("1.0.0")) == ["started 1.0.0"]
    assert drive.weights == {"2.0.0": 100}
    assert release("1.0.0").workload in hot(drive.state)
    drive.well("1.0.0")
    assert drive.kinds(drive.look()) == ["fast_rollback 1.0.0"]
    assert drive.weights == {"1.0.0": 100}


def test_a_way_back_is_not_held_by_hold_true() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.unwell("1.0.0")
    drive.declare("1.0.0", hold=True)
    drive.well("1.0.0")
    assert drive.kinds(drive.look()) == ["fast_rollback 1.0.0"]


def test_a_former_release_that_never_gets_ready_is_rejected_and_the_stable_one_stays() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.unwell("1.0.0")
    drive.declare("1.0.0")
    assert drive.kinds(drive.idle(70)) == ["rolled_back 1.0.0"]
    assert drive.weights == {"2.0.0": 100}


def test_a_former_release_outside_the_window_walks_all_steps() -> None:
    drive = promoted("1.0.0", "2.0.0", "3.0.0", rollback={"window": 1})
    assert drive.kinds(drive.declare("1.0.0")) == ["started 1.0.0", "step 1.0.0"]
    assert drive.weights == {"3.0.0": 95, "1.0.0": 5}
    assert drive.kinds(drive.declare("2.0.0")) == ["superseded 1.0.0", "fast_rollback 2.0.0"]


def test_a_window_of_nothing_gives_every_release_its_steps() -> None:
    drive = promoted("1.0.0", "2.0.0", rollback={"window": 0})
    assert drive.kinds(drive.declare("1.0.0")) == ["started 1.0.0", "step 1.0.0"]


def test_a_former_release_that_was_rejected_since_walks_all_steps() -> None:
    drive = promoted("1.0.0", "2.0.0", rollback={"window": 5})
    drive.unwell("1.0.0")
    drive.declare("1.0.0")
    drive.idle(70)
    drive.state = replace(drive.state, duties=())
    drive.well("1.0.0")
    drive.declare("2.0.0")
    assert drive.kinds(drive.declare("1.0.0")) == ["started 1.0.0", "step 1.0.0"]


def test_a_config_change_is_taken_back_at_once_like_any_release() -> None:
    drive = promoted("1.0.0")
    drive.declare("1.0.0-b", weights="1.0.0")
    drive.serve(180)
    drive.state = replace(drive.state, duties=())
    assert drive.kinds(drive.declare("1.0.0")) == ["fast_rollback 1.0.0"]


def test_a_revert_of_a_promoted_release_while_another_is_on_trial_is_instant() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.declare("3.0.0")
    drive.serve(30)
    assert drive.kinds(drive.declare("1.0.0")) == ["superseded 3.0.0", "fast_rollback 1.0.0"]
    assert drive.weights == {"1.0.0": 100}


def test_when_the_stable_release_dies_a_ready_standby_takes_its_traffic_until_it_is_back() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.unwell("2.0.0")
    (event,) = drive.look()
    assert (event.kind, event.version) == (EventKind.DEGRADED, "2.0.0")
    assert drive.weights == {"1.0.0": 100}
    assert drive.state.degraded == "its workload is starting"
    assert [(a.role, a.weight) for a in drive.traffic.arms] == [("stable", 0), ("standby", 1_000_000)]
    assert drive.idle(60) == []
    drive.well("2.0.0")
    assert drive.kinds(drive.look()) == ["recovered 2.0.0"]
    assert drive.weights == {"2.0.0": 100}
    assert drive.state.degraded is None


def test_when_the_stable_release_dies_in_a_rollout_the_standby_takes_only_its_part() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.declare("3.0.0")
    drive.unwell("2.0.0")
    drive.look()
    assert drive.weights == {"1.0.0": 95, "3.0.0": 5}


def test_without_a_standby_a_candidate_in_its_steps_takes_all_rather_than_errors() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(20)
    drive.unwell("1.0.0")
    assert drive.kinds(drive.look()) == ["degraded 1.0.0"]
    assert drive.weights == {"2.0.0": 100}


def test_an_unvalidated_candidate_never_stands_in() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0")
    drive.declare("2.0.0")
    drive.well("2.0.0")
    drive.unvalidated = set(drive.seen_releases)
    drive.unwell("1.0.0")
    drive.look()
    assert drive.phase is Phase.VALIDATING
    assert drive.weights == {"1.0.0": 100}


def test_with_nothing_ready_the_stable_release_keeps_its_traffic() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.unwell("1.0.0")
    drive.unwell("2.0.0")
    drive.look()
    assert drive.weights == {"2.0.0": 100}


def test_a_rebuilt_host_gives_its_stable_release_the_time_to_start_before_the_first_step() -> None:
    stable = release("1.0.0")
    drive = Drive(RouteState("digits", stable=stable, promoted=(stable,)))
    drive.seen_releases[stable.digest] = stable
    drive.unwell("1.0.0", Readiness.COLD)
    assert drive.kinds(drive.declare("2.0.0")) == ["started 2.0.0", "degraded 1.0.0", "held 2.0.0"]
    assert drive.state.candidate is not None
    assert drive.state.candidate.hold is Hold.NOT_READY
    assert drive.weights == {"1.0.0": 100}
    drive.well("1.0.0")
    assert drive.kinds(drive.look()) == ["recovered 1.0.0", "resumed 2.0.0", "step 2.0.0"]


def test_with_a_standby_in_its_place_a_dead_stable_release_holds_nobody_up() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.unwell("2.0.0")
    drive.look()
    assert drive.kinds(drive.declare("3.0.0")) == ["started 3.0.0", "step 3.0.0"]
    assert drive.weights == {"1.0.0": 95, "3.0.0": 5}


def test_a_stable_release_that_cannot_start_any_more_does_not_keep_its_successor_out_for_ever() -> None:
    drive = promoted("1.0.0")
    drive.unwell("1.0.0", Readiness.FAILED)
    drive.look()
    drive.declare("2.0.0")
    drive.idle(60)
    assert drive.kinds()[-2:] == ["resumed 2.0.0", "step 2.0.0"]
    assert drive.weights == {"2.0.0": 100}


def test_a_first_release_that_was_never_asked_for_does_nothing() -> None:
    step = advance(RouteState("digits"), Seen(None), 0.0)
    assert (step.state, step.events) == (RouteState("digits"), ())


def test_the_policys_edit_before_the_first_step_is_the_one_that_counts() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0")
    drive.declare("2.0.0")
    drive.edit(policy=policy(steps=[STEPS[1], STEPS[2]]))
    drive.well("2.0.0")
    drive.look()
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}
