"""The evidence over time: thinned evenly, the newest point always there, kept over restarts and of the newest trials."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.analysis.model import Judgement, Result, Verdict
from tidegate.engine.trail import MOST, Trail, total
from tidegate.engine.trails import Trails
from tidegate.journal.journal import KEPT_TRAILS, Journal
from tidegate.rollout.state import Advance, Candidate, Phase, RouteState
from tidegate.spec.policy import Guardrail, PolicyFields, Step
from tidegate.spec.release import Release

RAILS = (
    Guardrail(metric="error_rate", max_ratio=1.5, weight=3),
    Guardrail(metric="error_rate", max=0.2, immediate=True),
    Guardrail(metric="latency_p95_ms", max_ratio=1.25),
)
POLICY = PolicyFields(steps=(Step(name="full", weight="100%"),), guardrails=RAILS)  # type: ignore[arg-type]  # as in YAML
RELEASE = Release("digits", "2.0.0", None, "d" * 64, "1" * 64, "a" * 40)
TRIAL = Candidate(RELEASE, "b" * 40, Phase.SHIFTING, 1.0, POLICY, step=0, traffic_since=5.0)


def verdict(at: float, e: float = 2.0) -> Verdict:
    judged = tuple(
        Judgement(g.metric, "x", Result.COLLECTING, 0.1, 0.1, 100, 10, e, 100.0, False, "so far") for g in RAILS
    )
    return Verdict(Result.COLLECTING, "so far", False, None, judged, 1000, 50, at)


def advance(at: float, e: float = 2.0, trial: Candidate = TRIAL) -> Advance:
    state = RouteState("digits", candidate=trial)
    return Advance(state, (), ((trial.release.id, verdict(at, e)),))


@given(st.integers(1, 5000))
def test_points_are_few_even_and_end_with_the_newest(count: int) -> None:
    trail = Trail.of(POLICY)
    for number in range(count):
        trail.add(float(number), number * 9, number, [0.0, 0.0, -math.inf])
    times = [point[0] for point in trail.points]
    assert len(times) <= MOST
    assert len(times) >= min(count, MOST // 2)
    assert times[-1] == count - 1
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps, default=1) < 2 * trail.stride
    assert Trail.from_doc(trail.to_doc()) == trail


def test_immediate_guardrails_have_no_line_and_weights_make_the_joint_evidence() -> None:
    trail = Trail.of(POLICY)
    assert [line.index for line in trail.lines] == [0, 2]
    assert [round(line.threshold, 6) for line in trail.lines] == [round(400 / 3, 6), 400.0]
    trail.add(1.0, 9, 1, [math.log(400 / 3), 99.0, -math.inf])
    first, second = trail.weighted(trail.points[0])
    assert math.exp(first) == pytest.approx(100.0, rel=1e-3)
    assert second < -40
    assert math.exp(total((first, second))) == pytest.approx(100.0, rel=1e-3)


def test_a_trial_is_kept_over_a_restart_and_another_begins_anew(tmp_path: Path) -> None:
    before = RouteState("digits", candidate=TRIAL)
    with Journal(tmp_path / "journal.db") as journal:
        trails = Trails(journal)
        for at in (10.0, 10.0, 22.0, 40.0):  # the second pass has no new verdict
            trails.decided("digits", before, advance(at))
            with journal.transaction() as transaction:
                trails.put(transaction)
            trails.saved()
    with Journal(tmp_path / "journal.db") as journal:
        trails = Trails(journal)
        trails.decided("digits", before, advance(60.0, 50.0))
        with journal.transaction() as transaction:
            trails.put(transaction)
        trails.saved()
        [kept] = journal.trails("digits")
        assert (kept["release"], kept["began"]) == (RELEASE.id, 5.0)
        points = Trail.from_doc(kept["trail"]).points
        assert [point[0] for point in points] == [10.0, 22.0, 40.0, 60.0]
        assert points[-1][1:3] == (950, 50)
        assert points[-1][3] == pytest.approx((math.log(50), math.log(50)), abs=1e-3)
        later = replace(TRIAL, traffic_since=500.0)
        trails.decided("digits", before, advance(510.0, trial=later))
        with journal.transaction() as transaction:
            trails.put(transaction)
        assert [len(one["trail"]["points"]) for one in journal.trails("digits", limit=9)] == [1, 4]


def test_only_the_newest_trials_of_each_route_stay(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        with journal.transaction() as transaction:
            transaction.put_trail("other", "a", 1.0, {"n": -1})
            for number in range(KEPT_TRAILS + 5):
                transaction.put_trail("digits", "a", float(number), {"n": number})
        kept = journal.trails("digits", limit=100)
        assert [one["trail"]["n"] for one in kept] == list(range(KEPT_TRAILS + 4, 4, -1))
        assert {one["route"]: one["trail"]["n"] for one in journal.last_trails()} == {"digits": 54, "other": -1}
