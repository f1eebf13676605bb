"""A shadow step's guardrails on pairs of answers: they gate that step, and nothing waits for them after it."""

from __future__ import annotations

from typing import Any

from rollout_world import Drive, policy, promoted

from tidegate.analysis.model import Arm
from tidegate.rollout.state import Hold, Pairs

AGREEMENT = {"metric": "agreement", "min": 0.9, "source": "shadow"}
OF_USERS = {"metric": "error_rate", "max_ratio": 1.5}
STEPS = [
    {"name": "echo", "shadow": "100%", "for": "60s", "min_requests": 50},
    {"name": "canary", "weight": "50%", "for": "60s"},
]


def tried(**fields: Any) -> Drive:
    """A candidate in its shadow step."""
    drive = promoted("1.0.0", steps=[{"name": "all", "weight": "100%", "for": "10s"}])
    drive.policy = policy(**({"steps": STEPS, "guardrails": [AGREEMENT, OF_USERS]} | fields))
    drive.declare("2.0.0")
    drive.look(mirroring=True)
    assert step(drive) == "echo"
    return drive


def mirror(drive: Drive, seconds: float, pairs: int = 100) -> None:
    """Windows of ten seconds, with a look after each; all pairs agree."""
    for _ in range(round(seconds / 10)):
        drive.now += 10
        window = Pairs(drive.now - 10, drive.now, pairs, pairs, 0, Arm(pairs), Arm(pairs))
        drive.look(pairs=(window,), mirroring=True)


def step(drive: Drive) -> str:
    candidate = drive.state.candidate
    return candidate.policy.steps[candidate.step].name if candidate is not None and candidate.step >= 0 else ""


def stable(drive: Drive) -> str:
    assert drive.state.stable is not None
    return drive.state.stable.version


def test_guardrails_edited_after_the_shadow_hold_up_nobody() -> None:
    drive = tried()
    mirror(drive, 70)
    assert step(drive) == "canary"
    drive.edit(
        policy=policy(
            steps=[*STEPS, {"name": "most", "weight": "90%", "for": "60s"}],
            guardrails=[AGREEMENT | {"min": 0.95, "margin": 0.9}, AGREEMENT, OF_USERS | {"max_ratio": 2.0}],
        )
    )
    drive.serve(60)
    assert step(drive) == "most"
    assert drive.state.candidate is not None
    verdict = drive.state.candidate.verdict
    assert verdict is None, "the edited guardrails begin anew"
    drive.serve(10)
    verdict = drive.state.candidate.verdict
    assert verdict is not None
    assert [one.candidate_requests for one in verdict.judgements[:2]] == [0, 600], "but for what the shadow has shown"
    drive.serve(60)
    assert stable(drive) == "2.0.0"


def test_guardrails_edited_during_the_shadow_count_from_the_next_step() -> None:
    drive = tried()
    mirror(drive, 30)
    drive.edit(policy=policy(steps=STEPS, guardrails=[AGREEMENT | {"margin": 0.5}, OF_USERS]))
    mirror(drive, 40)
    assert step(drive) == "canary"
    drive.serve(70)
    assert stable(drive) == "2.0.0"


def test_pairs_that_never_came_and_were_waived_hold_up_nobody_later() -> None:
    waiving = {"action": "pass", "for": "20s", "then": "pass"}
    drive = tried(no_data=waiving, guardrails=[AGREEMENT | {"margin": 0.8}, OF_USERS])
    for _ in range(40):
        drive.now += 10
        drive.look(mirroring=True)
        if step(drive) != "echo":
            break
    assert step(drive) == "canary"
    drive.serve(70)
    assert stable(drive) == "2.0.0"


def test_a_warm_up_as_long_as_the_shadow_lets_no_step_end_unjudged() -> None:
    drive = tried(warm_up="100s")
    mirror(drive, 100)
    assert step(drive) == "echo", "all of its time has passed, with a thousand pairs, and not one was judged"
    candidate = drive.state.candidate
    assert candidate is not None
    assert candidate.hold is Hold.TOO_FEW
    assert candidate.hold_reason == "step 'echo': nothing is judged in the first 1m40s, the warm-up"
    mirror(drive, 10)
    assert step(drive) == "canary"


def test_a_warm_up_that_ends_just_before_the_shadow_does_waits_for_the_first_window_that_counts() -> None:
    drive = tried(warm_up="55s", no_data={"action": "rollback", "for": "20s", "then": "rollback"})
    mirror(drive, 60)
    candidate = drive.state.candidate
    assert candidate is not None
    assert (step(drive), candidate.hold) == ("echo", Hold.TOO_FEW)
    mirror(drive, 10)
    assert step(drive) == "canary"


def test_pairs_that_say_nothing_of_a_guardrail_are_no_data() -> None:
    drive = tried(guardrails=[AGREEMENT | {"metric": "politeness"}, OF_USERS])
    mirror(drive, 60)
    candidate = drive.state.candidate
    assert candidate is not None
    assert step(drive) == "echo"
    assert candidate.hold is Hold.NO_DATA
    assert candidate.hold_reason == "politeness: no pair of answers says anything about it"


def test_an_agreement_that_git_asks_less_of_by_now_is_enough() -> None:
    steps = [{**STEPS[0], "agreement": {"min": 0.98}}, STEPS[1]]
    drive = tried(steps=steps, guardrails=[OF_USERS])
    for _ in range(8):
        drive.now += 10
        drive.look(pairs=(Pairs(drive.now - 10, drive.now, 100, 90, 0, Arm(100), Arm(100)),), mirroring=True)
    assert drive.state.candidate is not None
    assert drive.state.candidate.hold is Hold.DISAGREEMENT
    milder = policy(steps=[{**STEPS[0], "agreement": {"min": 0.8}}, STEPS[1]], guardrails=[OF_USERS])
    drive.edit(policy=milder)
    drive.look(mirroring=True)
    assert step(drive) == "canary"
