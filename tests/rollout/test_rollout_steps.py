"""A release on its way: the first one, a new one through its steps, and its promotion."""

from __future__ import annotations

import math

from rollout_world import STEPS, Drive, policy, promoted

from tidegate.analysis.model import Arm, Batch
from tidegate.rollout.evidence import covered
from tidegate.rollout.state import EventKind, Hold, Phase, Readiness


def test_the_first_release_is_validated_and_then_takes_everything_without_steps() -> None:
    drive = Drive()
    drive.unwell("1.0.0")
    assert drive.kinds(drive.declare("1.0.0")) == ["started 1.0.0"]
    assert drive.phase is Phase.PREPARING
    assert drive.traffic.arms == ()
    drive.well("1.0.0")
    assert drive.kinds(drive.look()) == ["promoted 1.0.0"]
    assert drive.weights == {"1.0.0": 100}
    (duty,) = drive.state.duties
    assert (duty.kind, duty.commit, duty.release.version) == ("promote", "commit-1", "1.0.0")
    assert [r.version for r in drive.state.promoted] == ["1.0.0"]


def test_a_first_release_that_fails_its_validation_serves_nobody() -> None:
    drive = Drive()
    drive.unwell("1.0.0")
    drive.declare("1.0.0")
    drive.well("1.0.0")
    digest = next(iter(drive.seen_releases))
    events = drive.look(validation={digest: "accuracy 0.9 is below 0.95"})
    assert drive.kinds(events) == ["rolled_back 1.0.0"]
    assert events[0].reason == "validation failed: accuracy 0.9 is below 0.95"
    assert drive.state.stable is None
    assert drive.traffic.arms == ()


def test_a_first_release_waits_for_a_validation_that_has_not_answered() -> None:
    drive = Drive()
    drive.unvalidated = {"all"}
    drive.unwell("1.0.0")
    drive.declare("1.0.0")
    drive.unvalidated = set(drive.seen_releases)
    drive.well("1.0.0")
    drive.idle(3600)
    assert drive.phase is Phase.VALIDATING


def test_a_good_release_walks_every_step_in_order_and_in_time_and_is_promoted() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0")
    drive.declare("2.0.0")
    assert drive.weights == {"1.0.0": 100}
    drive.well("2.0.0")
    events = drive.look()
    assert drive.kinds(events) == ["step 2.0.0"]
    began = drive.now
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}
    drive.serve(60)
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}
    drive.serve(60)
    assert drive.weights == {"2.0.0": 100}
    assert drive.state.stable is not None
    assert drive.state.stable.version == "1.0.0"
    drive.serve(60)
    assert drive.now - began == 180
    assert drive.kinds() == ["started 2.0.0", *["step 2.0.0"] * 3, "promoted 2.0.0"]
    assert [event.step for event in drive.events] == [None, "canary", "half", "full", "full"]
    assert drive.state.candidate is None
    (standby,) = drive.state.standby
    assert (standby.release.version, standby.until) == ("1.0.0", drive.now + 72 * 3600)
    assert [r.version for r in drive.state.promoted] == ["2.0.0", "1.0.0"]


def test_a_step_does_not_end_before_its_requests_were_seen() -> None:
    drive = promoted("1.0.0", steps=[{"name": "canary", "weight": "5%", "for": "60s", "min_requests": 100}, *STEPS[1:]])
    drive.declare("2.0.0")
    drive.serve(60)
    assert drive.state.candidate is not None
    assert drive.state.candidate.hold is Hold.TOO_FEW
    assert drive.last(EventKind.HELD).reason == "step 'canary': 60 of 100 requests seen"
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}
    drive.serve(40)
    assert drive.kinds()[-3:] == ["held 2.0.0", "resumed 2.0.0", "step 2.0.0"]
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}


def test_a_step_without_a_time_still_needs_a_request_to_the_candidate() -> None:
    drive = promoted("1.0.0", steps=[{"name": "now", "weight": "50%"}, {"name": "full", "weight": "100%"}])
    drive.declare("2.0.0")
    drive.look()
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}
    drive.serve(20)
    assert drive.weights == {"2.0.0": 100}
    assert drive.kinds()[-1] == "promoted 2.0.0"


def test_the_clock_of_a_step_stands_still_without_traffic() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(50)
    drive.idle(20)
    assert drive.state.candidate is not None
    assert drive.state.candidate.clock == 50
    drive.serve(10)
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}


def test_time_in_which_only_the_controller_was_away_counts_once_its_record_is_read() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(20)
    missed = []
    for _ in range(4):
        drive.pass_time(10)
        missed.append(drive.batch())
    events = drive.look(batches=tuple(missed))
    assert drive.kinds(events) == ["step 2.0.0"]
    assert drive.now == drive.state.candidate.step_started_at  # type: ignore[union-attr]  # it has a candidate


def test_an_absence_longer_than_the_step_neither_skips_nor_shortens_the_next() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    missed = []
    for _ in range(60):
        drive.pass_time(10)
        missed.append(drive.batch())
    drive.look(batches=tuple(missed))
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}
    drive.serve(50)
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}
    drive.serve(10)
    assert drive.weights == {"2.0.0": 100}


def test_a_batch_that_is_handed_over_twice_counts_once() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.pass_time(10)
    batch = drive.batch()
    drive.look(batches=(batch,))
    drive.look(batches=(batch,))
    assert drive.state.candidate is not None
    assert (drive.state.candidate.clock, drive.state.candidate.step_requests) == (10, 10)


def test_a_batch_from_before_the_first_step_is_nobodys_evidence() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    early = Batch(1, drive.now - 10, drive.now, Arm(100), Arm(100), share=0.5)
    drive.look(batches=(early,))
    assert drive.state.candidate is not None
    assert (drive.state.candidate.clock, drive.state.candidate.requests) == (0, 0)
    assert drive.state.candidate.verdict is None


def test_windows_of_several_segments_are_one_stretch_of_time_and_gaps_are_none() -> None:
    def window(number: int, start: float, segment: str | None, requests: int = 5, share: float | None = 0.5) -> Batch:
        return Batch(number, start, start + 10, Arm(requests), Arm(requests), segment, share)

    batches = [window(1, 0, None), window(2, 0, "internal"), window(3, 20, None), window(4, 25, None)]
    assert covered(batches, 0) == 25
    assert covered(batches, 5) == 20
    assert covered([window(1, 0, None, requests=0)], 0) == 0
    assert covered([window(1, 0, "eu", share=0.0)], 0) == 0
    assert covered([Batch(1, 0, 10, Arm(50), Arm(0), share=0.01)], 0) == 10
    assert covered([Batch(1, 0, 10, Arm(50), Arm(0))], 0) == 0


def test_each_step_counts_its_own_requests() -> None:
    steps = [STEPS[0], {"name": "more", "weight": "5%", "for": "60s", "min_requests": 100}, STEPS[2]]
    drive = promoted("1.0.0", steps=steps)
    drive.declare("2.0.0")
    drive.serve(120)
    assert drive.state.candidate is not None
    assert (drive.state.candidate.step_requests, drive.state.candidate.requests) == (60, 120)
    assert drive.state.candidate.hold is Hold.TOO_FEW


def test_promotion_waits_until_every_margin_is_excluded() -> None:
    rails = [{"metric": "error_rate", "max_ratio": 1.0, "margin": 1.5}]
    drive = promoted("1.0.0", guardrails=rails, steps=[{"name": "half", "weight": "50%", "for": "60s"}])
    drive.declare("2.0.0")
    drive.serve(60, requests=40, errors=(0.05, 0.05))
    assert drive.state.candidate is not None
    assert drive.state.candidate.hold is Hold.INCONCLUSIVE
    assert "not shown to be good enough yet" in drive.last(EventKind.HELD).reason
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}
    drive.serve(300, requests=20000, errors=(0.05, 0.05))
    assert drive.kinds()[-2:] == ["held 2.0.0", "promoted 2.0.0"]


def test_only_the_config_changed_walks_the_config_steps_and_needs_no_start() -> None:
    drive = promoted("1.0.0", config_steps=[{"name": "prompt", "weight": "50%", "for": "30s"}])
    before = drive.ready
    events = drive.declare("1.0.0-b", weights="1.0.0")
    assert drive.kinds(events) == ["started 1.0.0-b", "step 1.0.0-b"]
    assert drive.ready.keys() == before.keys()
    assert events[1].step == "prompt"
    drive.serve(30)
    assert drive.kinds()[-1] == "promoted 1.0.0-b"


def test_only_the_config_changed_walks_the_steps_when_there_are_no_config_steps() -> None:
    drive = promoted("1.0.0")
    drive.declare("1.0.0-b", weights="1.0.0")
    assert drive.weights == {"1.0.0": 95, "1.0.0-b": 5}


def test_a_policy_edited_in_mid_rollout_applies_from_the_next_step_on() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(30)
    slower = [STEPS[0] | {"weight": "1%", "for": "300s"}, {"name": "half", "weight": "30%", "for": "120s"}, STEPS[2]]
    drive.edit(policy=policy(steps=slower))
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}
    drive.serve(30)
    assert drive.weights == {"1.0.0": 70, "2.0.0": 30}
    drive.serve(110)
    assert drive.weights == {"1.0.0": 70, "2.0.0": 30}
    drive.serve(10)
    assert drive.weights == {"2.0.0": 100}


def test_after_an_edit_that_drops_the_present_step_the_next_is_the_first_that_gives_more() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.edit(
        policy=policy(steps=[{"name": "a", "weight": "1%"}, {"name": "b", "weight": "20%", "for": "60s"}, STEPS[2]])
    )
    drive.serve(60)
    assert drive.weights == {"1.0.0": 80, "2.0.0": 20}


def test_other_guardrails_begin_a_new_analysis_at_the_next_step_and_not_before() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(30)
    drive.edit(policy=policy(guardrails=[{"metric": "error_rate", "max_ratio": 2.0}]))
    drive.serve(20)
    assert drive.state.candidate is not None
    assert drive.state.candidate.verdict is not None
    assert drive.state.candidate.verdict.judgements[0].limit == "max_ratio: 1"
    drive.serve(20)
    assert drive.state.candidate.verdict.judgements[0].limit == "max_ratio: 2"
    assert drive.state.candidate.verdict.candidate_requests == 100


def test_the_same_guardrails_keep_their_analysis_over_all_steps() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(70)
    assert drive.state.candidate is not None
    assert drive.state.candidate.verdict is not None
    assert drive.state.candidate.verdict.candidate_requests == 60 + 100


def test_a_warm_up_is_kept_out_of_the_analysis() -> None:
    drive = promoted("1.0.0", warm_up="30s")
    drive.declare("2.0.0")
    events = drive.serve(30, errors=(0.0, 1.0))
    assert "rolled_back 2.0.0" not in drive.kinds(events)
    drive.serve(10)
    assert drive.state.candidate is not None
    assert drive.state.candidate.verdict is not None
    assert drive.state.candidate.verdict.candidate_requests == 10


def test_a_file_that_cannot_be_read_any_more_stops_nothing() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(30)
    drive.wish = None
    drive.serve(150)
    assert drive.kinds()[-1] == "promoted 2.0.0"


def test_a_standby_is_released_when_its_time_is_over() -> None:
    drive = promoted("1.0.0", "2.0.0", standby="1h")
    drive.pass_time(3599)
    until = drive.state.standby[0].until
    drive.now = until - 1
    assert drive.look() == []
    drive.now = until
    (event,) = drive.look()
    assert (event.kind, event.version, event.reason) == (
        EventKind.STANDBY_RELEASED, "1.0.0", "its standby time is over",
    )  # fmt: skip
    assert drive.state.standby == ()


def test_a_route_keeps_one_standby_and_what_costs_no_container_more() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.declare("2.0.0-b", weights="2.0.0")
    drive.serve(180)
    assert [s.release.version for s in drive.state.standby] == ["2.0.0", "1.0.0"]
    drive.declare("3.0.0")
    drive.serve(180)
    assert [s.release.version for s in drive.state.standby] == ["2.0.0-b", "2.0.0"]
    assert drive.kinds()[-2:] == ["promoted 3.0.0", "standby_released 1.0.0"]


def test_without_a_standby_time_the_old_release_goes_at_once() -> None:
    drive = promoted("1.0.0", "2.0.0", standby="0s")
    assert drive.state.standby == ()


def test_fetching_does_not_count_towards_the_start_up_budget_but_ends_too() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0", Readiness.COLD)
    drive.declare("2.0.0")
    drive.idle(1800)
    assert drive.phase is Phase.PREPARING
    drive.idle(1800)
    assert drive.kinds()[-1] == "rolled_back 2.0.0"
    assert "within its start-up budget of 1h" in drive.events[-1].reason


def test_what_came_before_users_had_the_weights_of_a_step_counts_towards_none_of_its_time() -> None:
    drive = promoted("1.0.0", steps=[{"name": "half", "weight": "50%", "for": "1m", "min_requests": 100}])
    drive.declare("2.0.0")
    began = drive.now
    for _ in range(20):  # the controller died in between: for 200 s users had the weights before
        drive.pass_time(10)
        drive.look(batches=(drive.batch(),), live_since=math.inf)
    assert drive.kinds() == ["started 2.0.0", "step 2.0.0"]
    live = drive.now
    while drive.phase is not None:
        drive.pass_time(10)
        drive.look(batches=(drive.batch(),), live_since=live)
    assert drive.last(EventKind.PROMOTED).at - live == 60
    assert drive.now - began == 260


def test_what_cannot_be_written_down_gives_nobody_more_and_is_judged_on() -> None:
    drive = Drive()
    drive.durable = False
    drive.declare("1.0.0")
    drive.idle(3600)
    assert drive.phase is Phase.VALIDATING
    drive.durable = True
    assert drive.kinds(drive.look()) == ["promoted 1.0.0"]

    drive.durable = False
    drive.declare("2.0.0")
    drive.idle(60)
    assert drive.weights == {"1.0.0": 100}
    drive.durable = True
    assert drive.kinds(drive.look()) == ["step 2.0.0"]
    drive.durable = False
    assert drive.serve(600) == []
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}
    assert drive.state.candidate is not None
    assert drive.state.candidate.step_requests == 600, "what was seen meanwhile counts"
    drive.durable = True
    assert drive.kinds(drive.look()) == ["step 2.0.0"]
    drive.serve(60)
    drive.durable = False
    assert drive.serve(120) == []
    assert drive.kinds(drive.serve(60, errors=(0.0, 0.5))) == ["rolled_back 2.0.0"]
    assert drive.weights == {"1.0.0": 100}


def test_a_promotion_that_cannot_be_written_down_waits_and_a_way_back_does_not() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.look()
    drive.serve(170)
    drive.durable = False
    assert drive.serve(600) == []
    assert drive.weights == {"2.0.0": 100}
    drive.durable = True
    assert drive.kinds(drive.look()) == ["promoted 2.0.0"]
    drive.durable = False
    assert drive.kinds(drive.declare("1.0.0")) == ["fast_rollback 1.0.0"]
    assert drive.weights == {"1.0.0": 100}


def test_a_first_release_that_was_held_while_it_was_validated_is_promoted_when_it_may() -> None:
    drive = Drive()
    drive.unwell("1.0.0")
    drive.declare("1.0.0")
    drive.unvalidated = set(drive.seen_releases)
    drive.well("1.0.0")
    drive.look()
    assert drive.phase is Phase.VALIDATING
    drive.edit(hold=True)
    drive.unvalidated = set()
    drive.idle(60)
    assert drive.state.stable is None
    assert drive.kinds(drive.edit(hold=False)) == ["promoted 1.0.0"]


def test_guardrails_that_were_edited_do_not_forget_what_the_last_step_holds_a_release_against() -> None:
    steps = [{"name": "half", "weight": "50%", "for": "60s"}, {"name": "full", "weight": "100%", "for": "60s"}]
    drive = promoted("1.0.0")
    drive.policy = policy(steps=steps)
    drive.declare("2.0.0")
    drive.look()
    drive.serve(50)
    drive.edit(policy=policy(steps=steps, guardrails=[{"metric": "error_rate", "max_ratio": 0.9}]))
    drive.serve(10)
    assert drive.weights == {"2.0.0": 100}
    assert drive.kinds(drive.serve(60, errors=(0.0, 0.5))) == ["rolled_back 2.0.0"]


def test_a_watch_that_is_edited_in_mid_rollout_holds_the_release_against_what_was_seen_of_stable() -> None:
    steps = [{"name": "half", "weight": "50%", "for": "60s"}, {"name": "full", "weight": "100%", "for": "60s"}]
    drive = promoted("1.0.0", steps=steps, watch=[{"metric": "error_rate", "max_ratio": 3.0}])
    drive.declare("2.0.0")
    drive.look()
    drive.serve(50, errors=(0.01, 0.01))
    drive.edit(policy=policy(steps=steps, watch=[{"metric": "error_rate", "max_ratio": 2.0}]))
    drive.serve(80, errors=(0.01, 0.01))
    assert drive.state.stable is not None
    assert drive.state.stable.version == "2.0.0"
    assert drive.state.watch is not None
    drive.serve(600, errors=(0.0, 0.5))
    assert drive.state.stable.version == "1.0.0"


def test_a_budget_that_is_added_while_nothing_is_decided_decides() -> None:
    margin = [{"metric": "error_rate", "max_ratio": 1.5, "margin": 1.01}]
    drive = promoted("1.0.0")
    drive.policy = policy(guardrails=margin)
    drive.declare("2.0.0")
    drive.look()
    drive.serve(400)
    assert drive.state.candidate is not None
    assert drive.state.candidate.hold is Hold.INCONCLUSIVE
    drive.edit(policy=policy(guardrails=margin, budget={"for": "1s", "then": "promote"}))
    assert drive.state.stable is not None
    assert drive.state.stable.version == "2.0.0"


def test_what_git_asks_for_no_more_is_let_go_in_mid_rollout_too() -> None:
    drive = promoted("1.0.0")
    drive.policy = policy(retire={"after": "1h"})
    drive.declare("2.0.0")
    drive.look()
    drive.serve(30)
    drive.wish = None
    for _ in range(70):
        drive.now += 60
        drive.look(gone=True)
    assert drive.state.candidate is None
    assert drive.state.stable is None
    assert "superseded 2.0.0" in drive.kinds()
    assert "standby_released 1.0.0" in drive.kinds()
