"""What makes a candidate wait, for how long, and what ends it. The weights stay; guardrails go on acting."""

from __future__ import annotations

import pytest
from rollout_world import STEPS, Drive, policy, promoted

from tidegate.analysis.model import Arm, Batch
from tidegate.rollout.state import EventKind, Hold

ABSOLUTE = [{"metric": "error_rate", "max_ratio": 1.0}, {"metric": "error_rate", "max": 0.1}]
LONG = [STEPS[0] | {"for": "2h"}, *STEPS[1:]]


def hold_of(drive: Drive) -> Hold | None:
    assert drive.state.candidate is not None
    return drive.state.candidate.hold


def test_a_step_that_a_person_must_approve_does_not_begin_before_its_name_stands_in_git() -> None:
    drive = promoted("1.0.0", steps=[STEPS[0], STEPS[1] | {"approve": "manual"}, STEPS[2]])
    drive.declare("2.0.0")
    events = drive.serve(60)
    assert drive.kinds(events) == ["held 2.0.0"]
    assert events[0].reason == (
        "step 'half' waits for a person: add 'half' to approvals (tidegate approve digits half)"
    )
    drive.serve(600)
    drive.idle(7200)
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}
    assert hold_of(drive) is Hold.APPROVAL
    assert drive.kinds(drive.edit(approvals=("full",))) == []
    assert drive.kinds(drive.edit(approvals=("half",))) == ["resumed 2.0.0", "step 2.0.0"]
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}


def test_a_first_step_that_needs_approval_keeps_the_candidate_without_traffic() -> None:
    drive = promoted("1.0.0", steps=[STEPS[0] | {"approve": "manual"}, *STEPS[1:]])
    assert drive.kinds(drive.declare("2.0.0")) == ["started 2.0.0", "held 2.0.0"]
    assert drive.weights == {"1.0.0": 100}
    assert drive.kinds(drive.edit(approvals=("canary",))) == ["resumed 2.0.0", "step 2.0.0"]


def test_an_approval_that_was_there_before_holds_nothing() -> None:
    drive = promoted("1.0.0", steps=[STEPS[0] | {"approve": "manual"}, *STEPS[1:]])
    assert drive.kinds(drive.declare("2.0.0", approvals=("canary",))) == ["started 2.0.0", "step 2.0.0"]


def test_a_breach_while_waiting_for_a_person_rolls_back() -> None:
    drive = promoted("1.0.0", steps=[STEPS[0], STEPS[1] | {"approve": "manual"}, STEPS[2]])
    drive.declare("2.0.0")
    drive.serve(60)
    drive.serve(60, errors=(0.01, 0.6))
    assert drive.kinds()[-1] == "rolled_back 2.0.0"


def test_hold_true_freezes_the_rollout_where_it_is_and_its_clock() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(40)
    assert drive.kinds(drive.edit(hold=True)) == ["held 2.0.0"]
    drive.serve(3600)
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}
    assert drive.kinds(drive.edit(hold=False)) == ["resumed 2.0.0"]
    drive.serve(10)
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}
    drive.serve(10)
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}


def test_a_held_rollout_stays_held_while_git_cannot_be_read() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.edit(hold=True)
    drive.wish = None
    drive.serve(600)
    assert hold_of(drive) is Hold.MANUAL
    assert drive.kinds()[-1] == "held 2.0.0"


def test_a_breach_while_held_by_hand_rolls_back() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.edit(hold=True)
    drive.serve(60, errors=(0.01, 0.6))
    assert drive.kinds()[-1] == "rolled_back 2.0.0"
    assert drive.weights == {"1.0.0": 100}


def test_a_release_declared_with_hold_true_prepares_nothing_for_users_until_it_is_let_go() -> None:
    drive = promoted("1.0.0")
    assert drive.kinds(drive.declare("2.0.0", hold=True)) == ["started 2.0.0", "held 2.0.0"]
    assert drive.idle(7200) == []
    assert drive.weights == {"1.0.0": 100}
    assert drive.kinds([*drive.edit(hold=False), *drive.look()]) == ["resumed 2.0.0", "step 2.0.0"]


def test_a_hold_before_readiness_does_not_eat_the_start_up_budget() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0")
    drive.declare("2.0.0", hold=True)
    drive.idle(600)
    drive.edit(hold=False)
    assert drive.idle(50) == []
    assert drive.kinds(drive.idle(20)) == ["rolled_back 2.0.0"]


def test_a_shadow_step_holds_and_says_what_to_do() -> None:
    drive = promoted("1.0.0", steps=[{"name": "mirror", "shadow": "100%", "for": "60s"}, *STEPS])
    events = drive.declare("2.0.0")
    assert drive.kinds(events) == ["started 2.0.0", "held 2.0.0"]
    assert hold_of(drive) is Hold.UNSUPPORTED
    assert "take the step out of the policy" in events[1].reason
    assert drive.kinds(drive.edit(policy=policy())) == ["resumed 2.0.0", "step 2.0.0"]


def test_silence_holds_the_step_and_the_first_evidence_ends_it() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(20)
    events = drive.idle(60)
    assert drive.kinds(events) == ["held 2.0.0"]
    assert (hold_of(drive), events[0].at) == (Hold.NO_DATA, drive.now - 30)
    assert drive.kinds(drive.serve(10)) == ["resumed 2.0.0"]
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}


def test_traffic_that_comes_in_drops_does_not_hold_and_resume_all_the_time() -> None:
    drive = promoted("1.0.0", steps=LONG)
    drive.declare("2.0.0")
    for _ in range(60):
        drive.idle(50)
        drive.serve(10)
    assert sum(event.kind is EventKind.HELD for event in drive.events) <= 2


def test_short_batches_do_not_make_a_moments_silence_a_hold() -> None:
    drive = promoted("1.0.0", batch="500ms")
    drive.declare("2.0.0")
    assert drive.idle(4.5, every=0.5) == []
    assert drive.kinds(drive.idle(0.5, every=0.5)) == ["held 2.0.0"]


def test_silence_for_longer_than_the_policy_bears_is_rolled_back() -> None:
    drive = promoted("1.0.0", no_data={"action": "hold", "for": "10m", "then": "rollback"})
    drive.declare("2.0.0")
    events = drive.idle(700)
    assert drive.kinds(events) == ["held 2.0.0", "rolled_back 2.0.0"]
    assert events[1].at - events[0].at == 600
    assert "the policy's no_data says rollback" in events[1].reason


def test_a_policy_that_says_so_rolls_back_on_silence_without_waiting() -> None:
    drive = promoted("1.0.0", no_data={"action": "rollback"})
    drive.declare("2.0.0")
    assert drive.kinds(drive.idle(30)) == ["rolled_back 2.0.0"]


def test_a_policy_that_goes_on_holding_never_takes_back_for_silence() -> None:
    drive = promoted("1.0.0", no_data={"action": "hold", "for": "10m", "then": "hold"})
    drive.declare("2.0.0")
    assert drive.kinds(drive.idle(7200)) == ["held 2.0.0"]


def test_a_policy_that_passes_silence_lets_time_and_requests_count_as_seen() -> None:
    drive = promoted("1.0.0", no_data={"action": "pass"})
    drive.declare("2.0.0")
    events = drive.idle(70)
    assert drive.kinds(events) == ["step 2.0.0"]
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}


def test_silence_promotes_nobody_even_where_the_policy_passes_it() -> None:
    rails = [{"metric": "error_rate", "max_ratio": 1.0, "margin": 2.0}]
    drive = promoted("1.0.0", no_data={"action": "pass"}, guardrails=rails)
    drive.declare("2.0.0")
    drive.idle(7200)
    assert hold_of(drive) is Hold.INCONCLUSIVE
    assert drive.state.candidate is not None


def test_a_dead_source_holds_and_its_time_does_not_count() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(40)
    drive.source_up = False
    events = drive.idle(600)
    assert drive.kinds(events) == ["held 2.0.0"]
    assert hold_of(drive) is Hold.SOURCE_DOWN
    drive.source_up = True
    drive.idle(10)
    assert hold_of(drive) is Hold.SOURCE_DOWN
    assert drive.kinds(drive.serve(10)) == ["resumed 2.0.0"]
    assert drive.kinds(drive.serve(10)) == ["step 2.0.0"]


def test_a_dead_source_alone_never_rolls_back_unless_the_policy_says_so() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.source_up = False
    assert drive.kinds(drive.idle(24 * 3600, every=60)) == ["held 2.0.0"]


def test_a_policy_that_writes_it_down_bounds_a_dead_source_too() -> None:
    drive = promoted("1.0.0", no_data={"for": "30m", "then": "rollback"})
    drive.declare("2.0.0")
    drive.source_up = False
    assert drive.kinds(drive.idle(3600)) == ["held 2.0.0", "rolled_back 2.0.0"]


def test_an_unread_record_after_a_restart_is_not_silence() -> None:
    drive = promoted("1.0.0", no_data={"action": "rollback"})
    drive.declare("2.0.0")
    drive.serve(20)
    read = drive.now
    drive.pass_time(3600)
    assert drive.look(read_to=read) == []


def broken(drive: Drive, share: float = 0.05) -> Batch:
    """A window in which both arms fail alike."""
    drive.batch_id += 1
    theirs = round(4000 * share)
    arms = Arm(4000 - theirs, (4000 - theirs) * 3 // 10), Arm(theirs, theirs * 3 // 10)
    return Batch(drive.batch_id, drive.now - 10, drive.now, *arms, share=share)


def test_a_world_in_which_both_arms_break_holds_and_takes_nothing_back() -> None:
    drive = promoted("1.0.0", guardrails=ABSOLUTE, steps=LONG)
    drive.declare("2.0.0")
    drive.serve(60, requests=4000, errors=(0.01, 0.01))
    for _ in range(30):
        drive.pass_time(10)
        drive.look(batches=(broken(drive),))
    assert drive.kinds()[-1] == "held 2.0.0"
    assert hold_of(drive) is Hold.BOTH_ARMS
    assert "the arms do not differ" in drive.events[-1].reason
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}


def weather(drive: Drive, bad: int, good: int) -> None:
    """A spell in which everything fails, then one in which nothing does, in windows of ten seconds."""
    for _ in range(bad):
        drive.pass_time(10)
        drive.look(batches=(broken(drive),))
    drive.serve(good * 10, requests=4000, errors=(0.01, 0.01))


def test_a_broken_world_must_stay_well_for_a_while_before_the_step_goes_on() -> None:
    drive = promoted("1.0.0", guardrails=ABSOLUTE, steps=LONG)
    drive.declare("2.0.0")
    weather(drive, 0, 6)
    weather(drive, 12, 0)
    assert hold_of(drive) is Hold.BOTH_ARMS
    clock = drive.state.candidate.clock if drive.state.candidate else 0
    calm = None
    for _ in range(60):
        weather(drive, 0, 1)
        if drive.state.candidate and drive.state.candidate.calm_since and calm is None:
            calm = drive.state.candidate.calm_since
            assert drive.state.candidate.clock == clock
        if hold_of(drive) is None:
            break
    assert calm is not None
    assert drive.events[-1].kind is EventKind.RESUMED
    assert drive.now - calm == 30


def test_a_relapse_while_it_calms_down_begins_the_calm_anew() -> None:
    drive = promoted("1.0.0", guardrails=ABSOLUTE, steps=LONG)
    drive.declare("2.0.0")
    weather(drive, 12, 0)
    for _ in range(60):
        weather(drive, 0, 1)
        if drive.state.candidate and drive.state.candidate.calm_since:
            break
    weather(drive, 12, 0)
    assert drive.state.candidate is not None
    assert drive.state.candidate.calm_since is None
    assert drive.kinds().count("held 2.0.0") == 1


def test_a_step_that_is_held_over_and_over_flaps_and_waits_longer_each_time() -> None:
    drive = promoted("1.0.0", guardrails=ABSOLUTE, steps=LONG)
    drive.declare("2.0.0")
    lengths = []
    for _ in range(4):
        weather(drive, 12, 0)
        began = drive.now
        while hold_of(drive) is not None:
            weather(drive, 0, 1)
        lengths.append(drive.now - began)
        flapped = [event.reason for event in drive.events if event.kind is EventKind.HELD][-1]
    assert lengths == sorted(set(lengths))
    assert flapped.startswith("held 4 times in this step: ")
    assert "(flapping)" in drive.events[-1].reason


def test_a_sample_ratio_that_does_not_fit_the_weights_holds_as_invalid() -> None:
    drive = promoted("1.0.0", steps=LONG)
    drive.declare("2.0.0")
    for number in range(1, 10):
        drive.pass_time(10)
        drive.look(batches=(Batch(number, drive.now - 10, drive.now, Arm(900), Arm(300), share=0.05),))
    assert hold_of(drive) is Hold.INVALID
    assert "nothing compares" in drive.events[-1].reason
    clock = drive.state.candidate.clock if drive.state.candidate else 0
    assert clock < 90


def test_a_hold_for_a_broken_world_uses_up_the_budget_and_then_follows_it() -> None:
    drive = promoted("1.0.0", guardrails=ABSOLUTE, steps=LONG, budget={"for": "10m", "then": "rollback"})
    drive.declare("2.0.0")
    drive.serve(60, requests=4000, errors=(0.01, 0.01))
    for _ in range(60):
        drive.pass_time(10)
        drive.look(batches=(broken(drive),))
        if drive.state.candidate is None:
            break
    assert drive.kinds()[-2:] == ["held 2.0.0", "rolled_back 2.0.0"]
    assert "the budget of 10m is used up" in drive.events[-1].reason


@pytest.mark.parametrize(
    ("then", "last"), [("hold", "held 2.0.0"), ("rollback", "rolled_back 2.0.0"), ("promote", "promoted 2.0.0")]
)
def test_a_budget_that_is_used_up_decides_what_could_not_be_decided(then: str, last: str) -> None:
    rails = [{"metric": "error_rate", "max_ratio": 1.0, "margin": 1.01}]
    steps = [{"name": "half", "weight": "50%", "for": "60s"}]
    drive = promoted("1.0.0", guardrails=rails, steps=steps, budget={"for": "5m", "then": then})
    drive.declare("2.0.0")
    drive.serve(290, errors=(0.05, 0.05))
    assert drive.kinds()[-1] == "held 2.0.0"
    drive.serve(60, errors=(0.05, 0.05))
    assert drive.kinds()[-1] == last
    if then == "hold":
        assert "not shown to be good enough" in drive.events[-1].reason
        assert hold_of(drive) is Hold.INCONCLUSIVE


def test_a_budget_of_requests_counts_the_candidates() -> None:
    rails = [{"metric": "error_rate", "max_ratio": 1.0, "margin": 1.01}]
    steps = [{"name": "half", "weight": "50%", "for": "60s"}]
    drive = promoted("1.0.0", guardrails=rails, steps=steps, budget={"requests": 1000, "then": "promote"})
    drive.declare("2.0.0")
    drive.serve(90, errors=(0.05, 0.05))
    assert drive.state.candidate is not None
    drive.serve(10, errors=(0.05, 0.05))
    assert drive.kinds()[-1] == "promoted 2.0.0"


def test_a_budget_lets_a_step_end_that_never_saw_its_requests() -> None:
    steps = [STEPS[0] | {"min_requests": 100000}, *STEPS[1:]]
    drive = promoted("1.0.0", steps=steps, budget={"for": "2m", "then": "promote"})
    drive.declare("2.0.0")
    drive.serve(110)
    assert hold_of(drive) is Hold.TOO_FEW
    drive.serve(10)
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}


def test_waiting_for_a_person_uses_up_no_budget() -> None:
    drive = promoted("1.0.0", budget={"for": "2m", "then": "rollback"})
    drive.declare("2.0.0")
    drive.edit(hold=True)
    drive.serve(3600)
    assert drive.state.candidate is not None
    assert drive.state.candidate.spent == 0


def test_a_metric_that_never_comes_holds_the_step_then_follows_no_data() -> None:
    rails = [{"metric": "groundedness", "max_drop": 0.05, "source": "feedback"}]
    drive = promoted("1.0.0", guardrails=rails[:0], no_data={"for": "10m", "then": "rollback"})
    drive.policy = policy(guardrails=rails, no_data={"for": "10m", "then": "rollback"})
    drive.declare("2.0.0")
    drive.serve(60)
    assert hold_of(drive) is Hold.NO_DATA
    assert "groundedness" in drive.last(EventKind.HELD).reason
    drive.serve(590)
    assert drive.state.candidate is not None
    drive.serve(20)
    assert drive.kinds()[-1] == "rolled_back 2.0.0"
