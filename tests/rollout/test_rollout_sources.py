"""A source that gives nothing: no data, down, or a broken checker. Three causes, three actions, and no cause for another's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import T0, Drive, policy, promoted

from tidegate.rollout.evidence import too_many_missing
from tidegate.rollout.plan_words import samples_words
from tidegate.rollout.sight import looks, sights
from tidegate.rollout.simulate.expect import failures
from tidegate.rollout.simulate.run import play
from tidegate.rollout.simulate.scenario import load_scenario
from tidegate.rollout.state import Event, Hold, Trouble

WHY = "prometheus (revenue) gives nothing"
NO_DATA, DOWN, BROKEN = Hold.NO_DATA, Hold.SOURCE_DOWN, Hold.CHECKER_BROKEN


def drive_with(**no_data: str) -> Drive:
    drive = promoted("1.0.0", **({"no_data": no_data} if no_data else {}))
    drive.declare("2.0.0")
    drive.serve(20)
    return drive


def serve(drive: Drive, seconds: float, *causes: Hold, since: float | None = None) -> list[Event]:
    """Traffic as ever, while sources have been giving nothing `since` a moment (now)."""
    began = drive.now if since is None else since
    troubles = tuple(Trouble(cause, began, f"{WHY} ({cause})") for cause in causes)
    events: list[Event] = []
    for _ in range(round(seconds / 10)):
        drive.now += 10
        events += drive.look(batches=(drive.batch(),), troubles=troubles)
    return events


def clock(drive: Drive) -> float:
    assert drive.state.candidate is not None
    return drive.state.candidate.clock


@pytest.mark.parametrize("cause", [NO_DATA, DOWN, BROKEN])
def test_a_short_silence_is_borne_without_a_word_and_its_time_does_not_count(cause: Hold) -> None:
    drive = drive_with()
    assert serve(drive, 20, cause) == []
    assert clock(drive) == 20
    drive.serve(40)
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}


@pytest.mark.parametrize("cause", [NO_DATA, DOWN, BROKEN])
def test_a_long_one_holds_by_its_cause_and_ends_when_the_source_answers(cause: Hold) -> None:
    drive = drive_with()
    events = serve(drive, 600, cause)
    assert [(event.kind.value, event.reason) for event in events] == [
        ("held", f"{WHY} ({cause}); the step's clock stands still"),
    ]  # fmt: skip
    assert drive.state.candidate is not None and drive.state.candidate.hold is cause
    assert clock(drive) == 20
    assert drive.kinds(drive.serve(10)) == ["resumed 2.0.0"]
    drive.serve(40)
    assert drive.weights == {"1.0.0": 50, "2.0.0": 50}


def test_no_data_follows_the_policy_to_its_rollback() -> None:
    drive = drive_with(action="hold", **{"for": "5m"}, then="rollback")
    events = serve(drive, 400, NO_DATA)
    assert drive.kinds(events) == ["held 2.0.0", "rolled_back 2.0.0"]
    assert events[1].reason.endswith("and the policy's no_data says rollback")
    assert WHY in events[1].reason


def test_a_source_that_is_down_takes_nothing_back_unless_the_policy_says_so() -> None:
    assert drive_with().policy.no_data.then == "rollback"  # the default, which no one wrote for a dead source
    silent = drive_with()
    assert silent.kinds(serve(silent, 7200, DOWN)) == ["held 2.0.0"]
    told = drive_with(action="hold", **{"for": "5m"}, then="rollback")
    assert told.kinds(serve(told, 400, DOWN)) == ["held 2.0.0", "rolled_back 2.0.0"]


@pytest.mark.parametrize("no_data", [{"action": "rollback"}, {"action": "pass"}, {"then": "pass", "for": "1m"},
                                    {"then": "rollback", "for": "1m"}])  # fmt: skip
def test_a_broken_checker_is_no_bad_model_and_no_proof_of_a_good_one(no_data: dict[str, str]) -> None:
    drive = drive_with(**no_data)
    assert drive.kinds(serve(drive, 7200, BROKEN)) == ["held 2.0.0"]
    assert drive.weights == {"1.0.0": 95, "2.0.0": 5}


def test_a_breach_is_acted_on_while_a_source_is_broken() -> None:
    drive = drive_with()
    serve(drive, 100, BROKEN)
    drive.serve(60, errors=(0.01, 0.6))
    assert drive.kinds()[-1] == "rolled_back 2.0.0"


@pytest.mark.parametrize("cause", [NO_DATA, DOWN])
def test_pass_goes_on_without_the_source(cause: Hold) -> None:
    drive = drive_with(action="pass")
    assert drive.kinds(serve(drive, 40, cause)) == ["step 2.0.0"]
    late = drive_with(action="hold", **{"for": "2m"}, then="pass")
    assert late.kinds(serve(late, 300, cause))[:3] == ["held 2.0.0", "resumed 2.0.0", "step 2.0.0"]


def test_the_worst_of_several_holds_and_the_next_takes_its_place() -> None:
    drive = drive_with()
    serve(drive, 60, NO_DATA, BROKEN, DOWN)
    assert drive.state.candidate is not None and drive.state.candidate.hold is BROKEN
    serve(drive, 10, NO_DATA, DOWN, since=drive.now - 60)
    assert drive.state.candidate.hold is DOWN
    serve(drive, 10, NO_DATA, since=drive.now - 60)
    assert drive.state.candidate.hold is NO_DATA


def test_a_step_whose_time_was_over_does_not_end_while_a_source_is_silent() -> None:
    drive = drive_with()
    drive.serve(30)
    drive.now += 10
    troubles = (Trouble(DOWN, drive.now, WHY),)
    assert drive.look(batches=(drive.batch(),), troubles=troubles) == []
    assert clock(drive) == 60
    assert drive.look(troubles=troubles) == []
    assert drive.kinds(drive.look()) == ["step 2.0.0"]


def test_waiting_for_a_person_is_not_interrupted_by_a_silent_source() -> None:
    steps = [{"name": "canary", "weight": "5%", "for": "20s"}, {"name": "full", "weight": "100%", "approve": "manual"}]
    drive = promoted("1.0.0", steps=steps)
    drive.declare("2.0.0", approvals=())
    drive.serve(20)
    assert drive.state.candidate is not None and drive.state.candidate.hold is Hold.APPROVAL
    assert serve(drive, 600, DOWN) == []
    assert drive.now > T0


def test_what_is_asked_for_now_and_then_is_reckoned_by_looks_and_what_counts_not_at_all() -> None:
    asked = {"metric": "basket", "min_ratio": 0.97, "source": {"prometheus": {"query": "basket", "interval": "30s"}}}
    counts = {"metric": "bad", "max_ratio": 2.0, "source": {"prometheus": {"events": "bad", "total": "all"}}}
    told = {"metric": "polite", "max_drop": 0.05, "source": "feedback"}
    steps = [{"name": "canary", "weight": "5%", "for": "5h"}, {"name": "full", "weight": "100%", "for": "5h"}]
    one = policy(steps=steps, guardrails=[asked, counts, told])
    basket, polite = sights(one, one.steps, None)
    assert (basket.guardrail.metric, polite.guardrail.metric) == ("basket", "polite")
    assert basket.step == "canary"
    assert looks(one.steps, None, 30.0) == [[(0.5, 600.0)], [(0.5, 600.0)]]
    assert basket.first is not None and basket.whole is not None
    assert basket.first < basket.whole < 1, "more looks see less"
    assert polite.first is None, "nobody says how many requests come"
    assert "candidate values" in samples_words(basket.guardrail, basket.requests or 0)


@pytest.mark.parametrize(
    ("missing", "pairs", "copied", "many"),
    [
        (0, 0, 1.0, False),
        (1, 0, 1.0, True),
        (5, 95, 1.0, False),
        (6, 94, 1.0, True),
        (12, 88, 0.1, False),
        (300, 700, 0.1, True),
    ],
)
def test_how_many_copies_may_be_missing(missing: int, pairs: int, copied: float, many: bool) -> None:
    trial = drive_with().state.candidate
    assert trial is not None
    assert too_many_missing(replace(trial, missing=missing, step_requests=pairs), copied) is many


LABELLED = """
traffic: {rate: 5}
policy:
  steps: [{name: canary, weight: 20%, for: 1h}, {name: full, weight: 100%, for: 1h}]
  guardrails:
    - {metric: error_rate, max_ratio: 2.0}
    - {metric: made_up, max: 0.1, source: feedback}
  no_data: {action: hold, for: 6h, then: hold}
releases:
  v1: {scores: {made_up: {mean: 0.02, sd: 0.14, after: 30m}}}
  v2: {scores: {made_up: {mean: 0.30, sd: 0.46, after: 30m}}}
  v3: {like: v1}
events: [{at: 0s, declare: v1}, {at: 1m, declare: v2}, {at: 1h, declare: v3}]
until: 5h
expect:
  - {event: rolled_back, release: v2, after: 31m, within: 10m}
  - {event: promoted, release: v3, after: 2h, within: 2h}
"""


def test_a_simulated_release_that_only_its_labels_condemn_is_taken_back_when_they_come() -> None:
    scenario = load_scenario(LABELLED.encode(), "labelled.yaml")
    outcome = play(scenario)
    assert failures(scenario.expect, outcome) == []
    [rolled_back] = [entry for entry in outcome.timeline if entry.event == "rolled_back"]
    assert rolled_back.reason.startswith("made_up 0.")
