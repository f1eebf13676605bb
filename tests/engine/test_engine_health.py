"""Readiness with a little inertia, and pauses that grow with every crash."""

from __future__ import annotations

from tidegate.engine.fleet import CALM
from tidegate.engine.health import FAST, LONGEST_PAUSE, UNREADY_AFTER, Crashes, Health


def test_one_good_answer_makes_ready_and_probes_become_rare() -> None:
    health = Health("ref", 0.0)
    assert health.due(0.0)
    assert not health.answered
    assert health.took(True, "200 OK", 10.0, CALM)
    assert health.ready and health.ever_ready and health.answered
    assert not health.due(10.0 + CALM - 0.01)
    assert health.due(10.0 + CALM)


def test_only_several_bad_answers_in_a_row_make_unready() -> None:
    health = Health("ref", 0.0)
    health.took(True, "200 OK", 0.0, CALM)
    for number in range(1, UNREADY_AFTER):
        assert not health.took(False, "503", float(number), CALM)
        assert health.ready
        assert health.due(number + FAST), "after a bad answer it is asked again soon"
    health.took(True, "200 OK", 3.0, CALM)
    assert health.failures == 0
    changes = [health.took(False, "503", 4.0, CALM) for _ in range(UNREADY_AFTER)]
    assert changes == [*[False] * (UNREADY_AFTER - 1), True]
    assert not health.ready
    assert health.ever_ready
    assert health.reason == "503"


def test_a_first_crash_is_restarted_at_once_then_pauses_double_to_a_limit() -> None:
    crashes, pauses = Crashes(), []
    for number in range(12):
        assert crashes.saw(f"run-{number}", 100.0)
        pauses.append(crashes.not_before - 100.0)
    assert pauses[:5] == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE
    assert crashes.count == 12


def test_one_ended_run_counts_once_however_often_it_is_seen() -> None:
    crashes = Crashes()
    assert crashes.saw("run", 1.0)
    assert not crashes.saw("run", 2.0)
    assert crashes.count == 1
