"""A release that misbehaves: traffic first, then what is remembered and what git is owed; and what is asked for again."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from rollout_world import STEPS, Drive, promoted

from tidegate.analysis.model import Arm, Batch
from tidegate.rollout.machine import fulfilled
from tidegate.rollout.state import EventKind, Hold, Phase, Readiness

BAD = (0.01, 0.5)
MODES = ("revert", "branch", "none")


def breached(**policy_fields: object) -> Drive:
    """2.0.0 was rolled back in its canary."""
    drive = promoted("1.0.0", **policy_fields)
    drive.declare("2.0.0")
    drive.serve(10, requests=2000, errors=BAD)
    assert drive.kinds()[-1] == "rolled_back 2.0.0"
    return drive


def test_a_breach_takes_all_traffic_back_at_once_and_says_why() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    events = drive.serve(10, requests=2000, errors=BAD)
    assert drive.kinds(events) == ["rolled_back 2.0.0"]
    assert drive.weights == {"1.0.0": 100}
    (event,) = events
    assert event.weights == {drive.state.stable.id: 100}  # type: ignore[union-attr]  # it has a stable release
    assert (event.phase, event.step, event.commit) == ("rolled_back", "canary", "commit-2")
    assert "error rate 50" in event.reason
    assert "100 candidate requests" in event.reason


def test_a_breach_is_remembered_with_the_commit_that_asked() -> None:
    drive = breached()
    (rejection,) = drive.state.rejected
    digest = next(r.digest for r in drive.seen_releases.values() if r.version == "2.0.0")
    assert (rejection.digest, rejection.touched) == (digest, "commit-2")
    assert rejection.reason == drive.last(EventKind.ROLLED_BACK).reason


def test_one_sentence_names_the_owner_for_the_event_git_and_the_journal() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0", owners=("vision-platform", "search"))
    (event,) = drive.serve(10, requests=2000, errors=BAD)
    assert re.fullmatch(
        r"error rate 50.* % against 1.* %, 100 candidate requests, odds of this by chance below 1 in [\d,]+; "
        r"limit [\d.]+x; owner vision-platform, search",
        event.reason,
    )
    (duty,) = drive.state.duties
    assert drive.state.rejected[-1].reason == duty.reason == event.reason


@pytest.mark.parametrize("mode", MODES)
def test_git_is_owed_the_revert_that_the_policy_asks_for(mode: str) -> None:
    drive = breached(rollback={"git": mode})
    (duty,) = drive.state.duties
    assert (duty.kind, duty.mode, duty.commit, duty.release.version) == ("revert", mode, "commit-2", "2.0.0")
    assert duty.good is not None
    assert duty.good.version == "1.0.0"
    assert fulfilled(drive.state, duty.id).duties == ()


def test_a_breach_in_the_last_step_is_one_against_the_record() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(120, requests=2000, errors=(0.01, 0.01))
    assert drive.weights == {"2.0.0": 100}
    drive.serve(60, requests=2000, errors=(0.0, 0.5))
    assert drive.kinds()[-1] == "rolled_back 2.0.0"
    assert drive.weights == {"1.0.0": 100}


def test_an_immediate_guardrail_acts_on_a_window_that_is_still_open() -> None:
    rail = {"metric": "error_rate", "max": 0.2, "min_requests": 50, "immediate": True}
    drive = promoted("1.0.0", guardrails=[rail])
    drive.declare("2.0.0")
    drive.pass_time(2)
    opened = Batch(1, drive.now - 2, drive.now, Arm(950, 9), Arm(60, 40), share=0.05, complete=False)
    assert drive.kinds(drive.look(now_open=(opened,))) == ["rolled_back 2.0.0"]


def test_an_open_window_of_good_answers_changes_nothing_in_the_state() -> None:
    rail = {"metric": "error_rate", "max": 0.2, "min_requests": 50, "immediate": True}
    drive = promoted("1.0.0", guardrails=[rail])
    drive.declare("2.0.0")
    before = drive.state
    drive.pass_time(2)
    opened = Batch(1, drive.now - 2, drive.now, Arm(950, 9), Arm(60, 1), share=0.05, complete=False)
    drive.look(now_open=(opened,))
    assert drive.state == before


def test_while_the_revert_is_on_its_way_the_rejected_request_is_passed_over_in_silence() -> None:
    drive = breached()
    assert drive.idle(60) == []
    assert drive.weights == {"1.0.0": 100}


def test_a_rejected_request_that_still_stands_is_told_once_and_not_tried_again() -> None:
    drive = breached(rollback={"git": "none"})
    drive.state = replace(drive.state, duties=())
    assert drive.kinds(drive.idle(300)) == ["skipped_rejected 2.0.0"]
    assert "a newer commit that touches it tries it again" in drive.events[-1].reason
    assert drive.state.candidate is None


def test_the_revert_that_git_was_owed_ends_it_without_another_rollback() -> None:
    drive = breached()
    assert drive.declare("1.0.0") == []
    drive.state = replace(drive.state, duties=())
    assert drive.idle(60) == []


def test_a_rejected_release_is_tried_again_for_a_newer_commit_at_half_the_alpha() -> None:
    drive = breached()
    drive.declare("1.0.0")
    drive.state = replace(drive.state, duties=())
    drive.declare("2.0.0")
    assert drive.state.candidate is not None
    assert drive.state.candidate.attempt == 1
    assert drive.kinds()[-2:] == ["started 2.0.0", "step 2.0.0"]
    drive.serve(60, errors=BAD)
    drive.state = replace(drive.state, duties=())
    drive.edit()
    assert drive.state.candidate.attempt == 2


def test_a_newer_commit_cannot_know_of_a_rejection_whose_revert_is_still_owed() -> None:
    drive = breached()
    assert drive.edit(approvals=("half",)) == []
    assert drive.state.candidate is None


def test_an_approval_in_mid_rollout_moves_the_commit_that_is_remembered_as_rejected() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.edit(approvals=("half",))
    drive.serve(60, errors=BAD)
    (rejection,), (duty,) = drive.state.rejected, drive.state.duties
    assert (rejection.touched, duty.commit) == ("commit-3", "commit-3")


def test_a_promotion_forgets_that_the_release_was_once_rejected() -> None:
    drive = breached()
    drive.state = replace(drive.state, duties=())
    drive.edit()
    drive.serve(180)
    assert drive.kinds()[-1] == "promoted 2.0.0"
    assert drive.state.rejected == ()


def test_a_rejected_release_that_is_asked_for_instead_of_a_candidate_ends_that_candidate() -> None:
    drive = breached()
    drive.state = replace(drive.state, duties=())
    rejected = drive.wish
    drive.declare("3.0.0")
    drive.wish = rejected
    assert drive.kinds(drive.look()) == ["superseded 3.0.0", "skipped_rejected 2.0.0"]
    assert drive.weights == {"1.0.0": 100}


def test_a_candidate_that_fails_to_start_is_rejected_with_the_reason() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0")
    drive.declare("2.0.0")
    workload = next(r.workload for r in drive.seen_releases.values() if r.version == "2.0.0")
    drive.failed = {workload: "digest of the artifact is wrong"}
    drive.unready["2.0.0"] = Readiness.FAILED
    (event,) = drive.look()
    assert (event.kind, event.reason) == (
        EventKind.ROLLED_BACK, "its workload failed: digest of the artifact is wrong",
    )  # fmt: skip
    assert drive.weights == {"1.0.0": 100}


def test_a_candidate_that_never_gets_ready_is_rejected_after_its_start_up_budget() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0")
    drive.declare("2.0.0", startup_timeout=120.0)
    assert drive.idle(110) == []
    (event,) = drive.idle(10)
    assert event.reason == "not ready within its start-up budget of 2m"


def test_the_policys_start_up_budget_goes_before_the_versions_own() -> None:
    drive = promoted("1.0.0", startup_timeout="30s")
    drive.unwell("2.0.0")
    drive.declare("2.0.0", startup_timeout=120.0)
    assert drive.kinds(drive.idle(30)) == ["rolled_back 2.0.0"]


def test_a_controller_that_was_away_while_everything_was_cold_does_not_count_that_time() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0", Readiness.COLD)
    drive.declare("2.0.0")
    drive.pass_time(7200)
    assert drive.look(awake_since=drive.now) == []
    drive.unready["2.0.0"] = Readiness.STARTING
    drive.look(awake_since=drive.now)
    assert drive.phase is Phase.PREPARING


def test_a_candidate_that_fails_its_validation_gets_no_request() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0")
    drive.declare("2.0.0")
    drive.well("2.0.0")
    digest = next(r.digest for r in drive.seen_releases.values() if r.version == "2.0.0")
    events = drive.look(validation={digest: "no evaluation"})
    assert drive.kinds(events) == ["rolled_back 2.0.0"]
    assert drive.state.duties[0].kind == "revert"


def test_a_candidate_that_goes_down_loses_its_traffic_and_gets_it_back_when_it_returns() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(20)
    drive.unwell("2.0.0")
    events = drive.look()
    assert drive.kinds(events) == ["held 2.0.0"]
    assert drive.state.candidate is not None
    assert drive.state.candidate.hold is Hold.NOT_READY
    assert drive.weights == {"1.0.0": 100}
    drive.pass_time(5)
    drive.well("2.0.0")
    assert drive.kinds(drive.look()) == ["resumed 2.0.0"]
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}
    assert drive.state.candidate.clock == 20


def test_a_candidate_that_stays_down_is_rejected_after_its_start_up_budget() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    drive.serve(20)
    drive.unwell("2.0.0")
    events = drive.idle(70)
    assert drive.kinds(events) == ["held 2.0.0", "rolled_back 2.0.0"]


def test_a_candidate_that_goes_down_again_and_again_is_rejected() -> None:
    drive = promoted("1.0.0", steps=[STEPS[0] | {"for": "1h"}, *STEPS[1:]])
    drive.declare("2.0.0")
    for _ in range(2):
        drive.serve(20)
        drive.unwell("2.0.0")
        drive.idle(10)
        drive.well("2.0.0")
        drive.look()
    drive.serve(20)
    drive.unwell("2.0.0")
    (event,) = drive.look()
    assert event.kind is EventKind.ROLLED_BACK
    assert event.reason.startswith("its workload went down 3 times in this rollout")


def test_a_candidate_is_not_blamed_while_the_stable_release_is_down_too() -> None:
    drive = promoted("1.0.0", no_data={"for": "24h"})
    drive.declare("2.0.0")
    drive.serve(20)
    drive.unwell("2.0.0")
    drive.unwell("1.0.0")
    assert drive.kinds(drive.idle(600)) == ["degraded 1.0.0", "held 2.0.0"]


def test_going_down_together_with_the_stable_release_is_not_counted_as_a_loss() -> None:
    drive = promoted("1.0.0", steps=[STEPS[0] | {"for": "1h"}, *STEPS[1:]])
    drive.declare("2.0.0")
    for _ in range(4):
        drive.serve(20)
        drive.unwell("2.0.0")
        drive.unwell("1.0.0")
        drive.idle(10)
        drive.well("1.0.0")
        drive.well("2.0.0")
        drive.look()
    assert "rolled_back 2.0.0" not in drive.kinds()
    assert drive.state.candidate is not None
    assert drive.state.candidate.losses == 0


def test_a_prompt_is_not_blamed_for_its_shared_workload() -> None:
    drive = promoted("1.0.0")
    drive.unwell("1.0.0", Readiness.FAILED)
    drive.unwell("1.0.0-b", Readiness.FAILED)
    drive.look()
    drive.declare("1.0.0-b", weights="1.0.0")
    drive.idle(600)
    assert drive.phase is Phase.PREPARING
    drive.well("1.0.0")
    drive.well("1.0.0-b")
    assert drive.kinds(drive.look()) == ["recovered 1.0.0", "step 1.0.0-b"]
