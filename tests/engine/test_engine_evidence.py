"""The record's way into batches: over restarts, over weights that change, and with a standby in stable's place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tidegate.analysis.model import Batch
from tidegate.engine.evidence import METER_KEPT, Evidence
from tidegate.gateway.record import RecordReader
from tidegate.rollout.shift import shifted
from tidegate.rollout.state import Candidate, Phase, Readiness, RouteState, Standby, Watch
from tidegate.rollout.traffic import Traffic, traffic
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

START = 1_800_000_000.0
POLICY = PolicyFields.model_validate({"steps": [{"name": "canary", "weight": "20%"}], "batch": "1s"})
OLD, NEW, SPARE = (Release("digits", v, None, v[0] * 64, v[0] * 64, "c" * 40) for v in ("1.0.0", "2.0.0", "3.0.0"))


class Scene:
    """A record on disk, a clock, and a route in its first step."""

    def __init__(self, folder: Path) -> None:
        self.path, self.time = folder / "predictions.jsonl", START
        self.path.touch()
        trial = Candidate(NEW, "c" * 40, Phase.SHIFTING, START, POLICY, step=0, validated=True)
        self.state = RouteState("digits", stable=OLD, candidate=trial, standby=(Standby(SPARE, START + 1e6),))

    def open(self, cursor: dict[str, Any] | None = None) -> Evidence:
        evidence = Evidence(RecordReader(self.path), cursor, 0.0, lambda: self.time)
        evidence.resume(self.state)
        return evidence

    def split(self, **ready: bool) -> Traffic:
        named = {"old": OLD, "new": NEW, "spare": SPARE}
        up = dict.fromkeys(named, True) | ready
        return traffic(self.state, {named[name].workload: Readiness.READY for name, is_up in up.items() if is_up})

    def write(self, release: Release, number: int = 1) -> None:
        line = {"time": datetime.fromtimestamp(self.time, UTC).isoformat(), "route": "digits", "role": "stable",
                "release": release.id, "status": 200, "duration_ms": 1.0, "flags": None}  # fmt: skip
        with self.path.open("a") as file:
            file.write((json.dumps(line) + "\n") * number)

    def shares(self, evidence: Evidence, seconds: float = 3.0) -> list[float | None]:
        """The shares that the batches of the next seconds carry."""
        return [batch.share for batch in self.windows(evidence, seconds)]

    def windows(self, evidence: Evidence, seconds: float = 3.0) -> list[Batch]:
        """The batches of the next seconds."""
        found = list[Batch]()
        for _ in range(int(seconds)):
            self.time += 1
            self.write(OLD)
            evidence.read()
            found += evidence.closed("digits")
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_controller_that_dies_right_after_a_step_began_has_lost_nothing_of_it(scene):
    evidence = scene.open()
    evidence.read()
    evidence.follow(scene.state, scene.split(), random=True)
    journaled = json.loads(json.dumps(evidence.to_doc()))
    scene.time += 0.5
    scene.write(NEW, 7)
    scene.time += 600
    again = scene.open(journaled)
    again.read()
    (batch,) = again.closed("digits")
    assert batch.candidate.requests == 7


def test_shares_that_changed_while_no_controller_looked_are_not_promised(scene):
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    scene.time += 100
    assert scene.shares(evidence)[-1] == pytest.approx(0.2)
    again = scene.open(json.loads(json.dumps(evidence.to_doc())))
    again.follow(scene.state, scene.split(new=False), random=True)
    again.cut(scene.state, scene.split(new=False), random=True)
    scene.shares(again, 2)  # the last windows of before
    assert set(scene.shares(again)) == {None}
    scene.time += 100
    assert scene.shares(again)[-1] == 0.0


def test_the_same_shares_after_a_restart_cut_nothing(scene):
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    scene.time += 100
    scene.shares(evidence)
    again = scene.open(json.loads(json.dumps(evidence.to_doc())))
    again.follow(scene.state, scene.split(), random=True)
    again.cut(scene.state, scene.split(), random=True)
    assert again.to_doc()["batchers"] == evidence.to_doc()["batchers"]
    assert scene.shares(again)[-1] == pytest.approx(0.2)


def test_no_share_is_promised_while_answers_may_end_that_began_under_other_weights(scene):
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True, longest=300.0)
    scene.time += 100
    assert set(scene.shares(evidence)) == {None}
    again = scene.open(json.loads(json.dumps(evidence.to_doc())))
    again.follow(scene.state, scene.split(), random=True, longest=10.0)  # the model says so by now
    assert scene.shares(again)[-1] == pytest.approx(0.2)


def test_a_standby_in_stables_place_promises_no_share(scene):
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    evidence.cut(scene.state, scene.split(old=False), random=True)
    scene.time += 100
    assert set(scene.shares(evidence)) == {None}


def test_a_record_that_could_not_be_read_for_a_while_falls_into_the_windows_in_which_it_happened(scene):
    evidence = scene.open()
    evidence.read()
    evidence.follow(scene.state, scene.split(), random=True)
    for _ in range(5):
        scene.time += 1
        scene.write(OLD)
        assert evidence.closed("digits") == ()
    scene.time += 2
    evidence.read()
    assert [batch.stable.requests for batch in evidence.closed("digits")] == [1, 1, 1, 1, 1]
    assert evidence.lost()["late"] == 0


def test_meters_of_releases_that_answer_no_more_are_forgotten(scene):
    evidence = scene.open()
    scene.write(OLD)
    evidence.read()
    assert set(evidence.meters("digits")) == {OLD.id}
    scene.time += METER_KEPT + 1
    scene.write(NEW)
    evidence.read()
    assert set(evidence.meters("digits")) == {NEW.id}
    evidence.forget("digits")
    assert evidence.meters("digits") == {}


def test_a_clock_that_is_set_back_costs_no_window(scene: Scene) -> None:
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    assert scene.shares(evidence) == [None]
    scene.time -= 3600.0
    evidence.shift(-3600.0)
    assert len(scene.shares(evidence)) == 3
    assert evidence.lost()["late"] == 0


def test_a_clock_that_is_set_back_while_the_record_is_out_of_reach_closes_no_window_early(scene: Scene) -> None:
    evidence = scene.open()
    evidence.read()
    evidence.follow(scene.state, scene.split(), random=True)
    scene.windows(evidence)
    scene.time -= 3600.0
    evidence.shift(-3600.0)
    for _ in range(3):  # passes without a read
        evidence.closed("digits")
    assert len(scene.windows(evidence)) == 3
    assert evidence.lost()["late"] == 0


def test_a_trial_goes_on_over_a_clock_that_is_set_back(scene: Scene) -> None:
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    before = [batch.id for batch in scene.windows(evidence, 20)]
    scene.time -= 3600.0
    evidence.shift(-3600.0)
    moved = shifted(scene.state, -3600.0)
    evidence.renamed(scene.state, moved)
    evidence.follow(moved, scene.split(), random=True)
    after = [batch.id for batch in scene.windows(evidence, 20)]
    assert len(before) > 10
    assert len(after) > 10
    assert min(after) > max(before), "a window of a number that was taken in before is evidence of nothing"


def test_without_the_shift_the_windows_would_stay_open_for_an_hour(scene: Scene) -> None:
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    scene.shares(evidence)
    scene.time -= 3600.0
    assert scene.shares(evidence, 60.0) == []


def test_a_watched_release_has_windows_of_its_own_over_a_restart_and_nobody_beside_it(scene: Scene) -> None:
    watch = Watch(OLD, "c" * 40, POLICY, START, START + 1e6, good=SPARE)
    scene.state = RouteState("digits", stable=OLD, watch=watch)
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    scene.write(OLD, 5)
    scene.write(NEW, 3)
    evidence.read()
    evidence = scene.open(evidence.to_doc())
    scene.write(OLD, 2)
    scene.time += 5
    evidence.read()
    [batch] = evidence.closed("digits")
    assert (batch.candidate.requests, batch.stable.requests, batch.share) == (7, 0, None)


def test_the_next_trial_takes_the_place_of_a_watch(scene: Scene) -> None:
    watch = Watch(OLD, "c" * 40, POLICY, START, START + 1e6)
    trial = scene.state
    scene.state = RouteState("digits", stable=OLD, watch=watch)
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    scene.state = RouteState("digits", stable=OLD, candidate=trial.candidate, watch=watch)
    evidence.follow(scene.state, scene.split(), random=True)
    scene.write(NEW, 4)
    scene.time += 5
    evidence.read()
    [batch] = evidence.closed("digits")
    assert (batch.candidate.requests, batch.stable.requests) == (4, 0)


def test_what_other_sources_brought_goes_on_over_a_restart_and_has_ids_of_its_own(scene: Scene) -> None:
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    there = evidence.arrivals("digits")
    assert there is not None
    there.label(scene.time, candidate=True, segment=None, metric="made_up", value=1.0, answered=scene.time)
    assert evidence.closed("digits") == ()
    again = scene.open(evidence.to_doc())
    found = []
    for _ in range(4):
        scene.time += 1
        scene.write(OLD)
        scene.write(NEW)
        again.read()
        found += again.closed("digits")
    assert [batch.candidate.scores for batch in found if not batch.candidate.requests] == [{"made_up": (1.0,)}]
    assert [batch.id for batch in found] == list(range(len(found)))
    ends = [batch.end for batch in found]
    assert all(batch.start >= end for batch, end in zip(found[1:], ends, strict=False))


def test_a_journal_that_knew_of_no_other_sources_is_read(scene: Scene) -> None:
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    doc = evidence.to_doc()
    del doc["batchers"]["digits"]["arrivals"]
    there = scene.open(doc).arrivals("digits")
    assert there is not None and there.since == START


def test_an_ended_trial_takes_nothing_more_in(scene: Scene) -> None:
    evidence = scene.open()
    evidence.follow(scene.state, scene.split(), random=True)
    evidence.follow(RouteState("digits", stable=NEW), scene.split(), random=True)
    assert evidence.arrivals("digits") is None
    assert evidence.closed("digits") == ()
