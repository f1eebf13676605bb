"""The sources of a trial beside the loop: asked when due, made evidence once, over restarts and weight changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from tidegate.analysis.model import Batch
from tidegate.engine.arrivals import Arrivals
from tidegate.engine.desk import Desk
from tidegate.engine.sources import Sources
from tidegate.engine.workers import Workers
from tidegate.gateway.record import RecordReader
from tidegate.rollout.shift import shifted
from tidegate.rollout.state import Candidate, Desired, Hold, Phase, RouteState
from tidegate.sources import ask
from tidegate.sources.access import Access
from tidegate.sources.interface import Look, Reading
from tidegate.spec.controller import FeedbackSettings
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

START = 1_800_000_000.0
OLD, NEW = (Release("digits", v, None, v[0] * 64, v[0] * 64, "c" * 40) for v in ("1.0.0", "2.0.0"))
QUERY = {"query": 'basket{release="{{release}}"}', "interval": "10s"}
COUNTS = {"events": 'bad{role="{{role}}"}', "total": 'all{role="{{role}}"}', "interval": "10s"}


class Now(Executor):
    """Runs each job at once, in the caller."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Scene:
    """A route on trial; what sources answer is put into `answers` by the test, in the order in which they are asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *guardrails: dict[str, Any]) -> None:
        self.time, self.folder = START, folder
        self.pool: Executor = Now()
        self.answers: list[Look] = []
        self.asked: list[tuple[dict[str, Any], tuple[float, ...]]] = []
        monkeypatch.setattr("tidegate.engine.sources.look", self._look)
        rails = [{"max_ratio": 2.0, "bounds": [0, 100], **guardrail} for guardrail in guardrails]
        fields = {"steps": [{"name": "canary", "weight": "20%"}], "guardrails": rails, "batch": "1s"}
        self.policy = PolicyFields.model_validate(fields)
        trial = Candidate(NEW, "c" * 40, Phase.SHIFTING, START, self.policy, step=0, validated=True)
        self.state = RouteState("digits", stable=OLD, candidate=trial)
        self.arrivals = Arrivals(START, 1.0, [{"": 0.2}])
        (folder / "predictions.jsonl").touch()
        self.sources = self.open(None)

    def open(self, saved: dict[str, Any] | None, asked: dict[str, Any] | None = None) -> Sources:
        workers = Workers(self.pool, self.pool, lambda: self.time, random.Random(1), lambda: None)
        self.workers = workers
        reader = RecordReader(self.folder / "predictions.jsonl")
        desk = Desk(self.folder, FeedbackSettings(), reader, lambda: self.time)
        sources = Sources(Access(), desk, workers, lambda: self.time, saved, asked)
        sources.follow(self.state)
        return sources

    def restart(self) -> None:
        """A controller that was killed after its last save."""
        saved = orjson.loads(
            orjson.dumps({"a": self.arrivals.to_doc(), "s": self.sources.to_doc(), "q": self.sources.asked_doc()})
        )
        self.sources.close()
        self.arrivals = Arrivals.from_doc(saved["a"])
        self.sources = self.open(saved["s"], saved["q"])

    def _look(self, source: Any, arms: dict[str, Any], times: tuple[float, ...], access: Access) -> Look:
        self.asked.append((arms, tuple(times)))
        return self.answers.pop(0) if self.answers else Look(times[-1], missing={"candidate": "nothing"})

    def answer(self, **arms: float | tuple[int, int]) -> None:
        """What the next look shows, at the moment of it."""
        readings = {
            arm: (Reading(self.time, counts=shown) if isinstance(shown, tuple) else Reading(self.time, shown),)
            for arm, shown in arms.items()
        }
        self.answers.append(Look(self.time, readings))

    def tick(self) -> list[Batch]:
        """One pass: jobs, their results, and the batches that came of them."""
        there = {"digits": self.arrivals}
        self.sources.submit(there.get)
        for done in self.workers.take():
            assert self.sources.took(done, there.get)
        return self.arrivals.take(self.time, self.time, 0)

    def line(self, request: str, release: Release, **more: Any) -> None:
        """A line of the record."""
        line = {"time": "2027-01-15T08:00:01Z", "request_id": request, "route": "digits", "role": "stable",
                "release": release.id, "status": 200, "duration_ms": 5.0, "flags": None, **more}  # fmt: skip
        with (self.folder / "predictions.jsonl").open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")


Make = Callable[..., Scene]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda *guardrails: Scene(tmp_path, monkeypatch, *guardrails)


def test_the_look_that_the_loop_calls_is_the_one_that_asks() -> None:
    import tidegate.engine.sources as room

    assert room.look is ask.look


def test_each_look_gives_one_pair_of_values_and_the_next_is_not_before_its_time(scene: Make) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": QUERY}})
    stage.answer(stable=10.0, candidate=8.0)
    [batch] = stage.tick()
    assert (batch.stable.scores, batch.candidate.scores) == ({"basket": (10.0,)}, {"basket": (8.0,)})
    assert batch.stable.requests == batch.candidate.requests == 0
    arms, times = stage.asked[0]
    assert times == (START,)
    assert {arm: (of["release"], of["role"], of["version"]) for arm, of in arms.items()} == {
        "stable": (OLD.id, "stable", "1.0.0"), "candidate": (NEW.id, "candidate", "2.0.0"),
    }  # fmt: skip
    stage.time += 9.9
    assert stage.tick() == [] and len(stage.asked) == 1
    stage.time += 0.1
    stage.tick()
    assert len(stage.asked) == 2


def test_two_guardrails_on_one_source_ask_it_once(scene: Make) -> None:
    rail = {"metric": "basket", "source": {"prometheus": QUERY}}
    stage = scene(rail, {**rail, "max_ratio": None, "max": 5.0})
    stage.answer(stable=1.0, candidate=1.0)
    assert len(stage.tick()) == len(stage.asked) == 1


def test_after_an_absence_the_values_meanwhile_are_asked_for(scene: Make) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": QUERY}})
    stage.answer(stable=1.0, candidate=1.0)
    stage.tick()
    stage.restart()
    stage.time += 35
    stage.tick()
    assert stage.asked[-1][1] == (START + 10, START + 20, START + 30)
    stage.time += 10_000
    stage.tick()
    assert len(stage.asked[-1][1]) == 120


def test_counters_count_by_what_they_grew(scene: Make) -> None:
    stage = scene({"metric": "bad", "source": {"prometheus": COUNTS}})
    stage.answer(stable=(5, 1000), candidate=(0, 0))
    assert stage.tick() == []
    stage.time += 10
    stage.answer(stable=(7, 1200), candidate=(3, 50))
    [batch] = stage.tick()
    assert (batch.stable.counts, batch.candidate.counts) == ({"bad": (200, 2)}, {"bad": (50, 3)})
    stage.restart()
    stage.time += 10
    stage.answer(stable=(7, 1200), candidate=(4, 60))
    [batch] = stage.tick()
    assert (batch.stable.counts, batch.candidate.counts) == ({}, {"bad": (10, 1)})


def test_a_counter_that_was_set_back_is_counted_from_there(scene: Make) -> None:
    stage = scene({"metric": "bad", "source": {"prometheus": COUNTS}})
    for shown, grown in (((5, 1000), None), ((1, 30), None), ((2, 40), {"bad": (10, 1)})):
        stage.answer(stable=(0, 0), candidate=shown)
        found = stage.tick()
        assert [batch.candidate.counts for batch in found] == ([grown] if grown else [])
        stage.time += 10


def test_what_was_counted_over_a_weight_change_is_left_out(scene: Make) -> None:
    stage = scene({"metric": "bad", "source": {"prometheus": COUNTS}})
    stage.answer(stable=(0, 100), candidate=(0, 100))
    stage.tick()
    stage.arrivals.steer(START + 5, {"": 0.5})
    stage.time += 10
    stage.answer(stable=(1, 200), candidate=(1, 200))
    assert stage.tick() == []
    stage.time += 10
    stage.answer(stable=(1, 300), candidate=(2, 300))
    [batch] = stage.tick()
    assert batch.candidate.counts == {"bad": (100, 1)}


def test_a_value_that_has_not_changed_its_time_counts_once(scene: Make) -> None:
    stage = scene(
        {"metric": "polite", "source": {"webhook": {"url": "https://x/{{role}}", "value": "v", "interval": "10s"}}}
    )
    reading = {arm: (Reading(START + 1, 0.9),) for arm in ("stable", "candidate")}
    for _ in range(3):
        stage.answers.append(Look(stage.time, reading))
    assert [len(stage.tick())] == [1]
    for _ in range(2):
        stage.time += 10
        assert stage.tick() == []


@pytest.mark.parametrize(
    ("look", "cause", "words"),
    [
        (Look(START, missing={"candidate": "the query gives nothing"}), Hold.NO_DATA, "has no data: the query gives nothing"),
        (Look(START, down=RetryLater("no answer in time", where="http://p")), Hold.SOURCE_DOWN,
         "is down: http://p: no answer in time"),
        (Look(START, broken=NeedsPerson("2 series", fix="sum them")), Hold.CHECKER_BROKEN,
         "is broken: 2 series; fix: sum them"),
    ],
)  # fmt: skip
def test_the_three_causes_last_over_a_restart_and_end_with_an_answer(
    scene: Make, look: Look, cause: Hold, words: str
) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": QUERY}})
    stage.answer(stable=1.0, candidate=1.0)
    stage.tick()
    assert stage.sources.troubles("digits") == ()
    stage.time += 10
    stage.answers = [look]
    stage.tick()
    [trouble] = stage.sources.troubles("digits")
    assert (trouble.cause, trouble.since, trouble.why) == (cause, START + 10, f"prometheus (basket) {words}")
    stage.restart()
    stage.time += 30
    assert stage.sources.troubles("digits") == (trouble,)
    assert stage.sources.troubles("other") == ()
    [shown] = stage.sources.status("digits")
    assert (shown["state"], shown["for"]) == (str(cause), 30.0)
    stage.answer(stable=1.0, candidate=1.0)
    stage.tick()
    assert stage.sources.troubles("digits") == ()
    assert stage.sources.status("digits")[0]["values"] == {"stable": 1.0, "candidate": 1.0}


def test_a_source_that_gives_nothing_is_asked_again_soon_however_long_its_interval(scene: Make) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": {**QUERY, "interval": "1h"}}})
    stage.answers = [Look(START, down=RetryLater("gone"))]
    stage.tick()
    stage.time += 10
    stage.tick()
    assert len(stage.asked) == 2


def test_the_first_value_of_a_fresh_release_is_waited_for_as_long_as_one_stays_fresh(scene: Make) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": {**QUERY, "stale": "1m"}}})
    for _ in range(6):
        stage.tick()
        assert stage.sources.troubles("digits") == ()
        stage.time += 10
    stage.restart()
    assert stage.sources.status("digits")[0]["state"] == "asked"
    stage.tick()
    [trouble] = stage.sources.troubles("digits")
    assert (trouble.cause, trouble.since) == (Hold.NO_DATA, START + 60)


class Later(Now):
    """Keeps every job for later: a server that answers nobody."""

    def __init__(self) -> None:
        self.kept: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.kept.append(Future())
        return self.kept[-1]


def test_a_server_that_answers_nobody_takes_no_more_than_its_share_of_the_threads(scene: Make) -> None:
    dead = [
        {"metric": f"dead{n}", "source": {"prometheus": {**QUERY, "address": "http://dead.example.com:9090"}}}
        for n in range(9)
    ]
    alive = {"metric": "alive", "source": {"webhook": {"url": "http://alive.example.com/{{role}}", "value": "v"}}}
    stage = scene(*dead, alive)
    later = Later()
    stage.pool = later
    stage.sources = stage.open(None)
    for _ in range(3):
        stage.sources.submit({"digits": stage.arrivals}.get)
        stage.time += 1
    assert len(later.kept) == 3 + 1
    later.kept[0].set_result(Look(START, down=RetryLater("gone")))
    [done] = stage.workers.take()
    assert stage.sources.took(done, {"digits": stage.arrivals}.get)
    stage.sources.submit({"digits": stage.arrivals}.get)
    assert len(later.kept) == 5


def test_a_trial_that_is_over_asks_nobody(scene: Make) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": QUERY}})
    stage.sources.follow(RouteState("digits", stable=NEW))
    assert stage.tick() == [] and stage.asked == []
    assert stage.sources.status("digits") == []


FEEDBACK = {"metric": "made_up", "source": "feedback", "bounds": [0, 1]}


def report(*values: tuple[str, float]) -> bytes:
    return orjson.dumps([{"request_id": request, "metric": "made_up", "value": value} for request, value in values])


def ready(stage: Scene) -> None:
    stage.sources.saw({"digits": Desired(NEW, stage.policy, "c" * 40)})
    stage.tick()


def test_feedback_is_refused_until_it_is_known_what_is_asked_for(scene: Make) -> None:
    stage = scene(FEEDBACK)
    with pytest.raises(RetryLater, match="has not read git yet"):
        stage.sources.accept(report(("a", 1.0)))
    ready(stage)
    stage.restart()
    assert stage.sources.accept(report(("a", 1.0)))["unknown"] == 1


def test_labels_enter_by_arrival_with_those_answered_under_the_same_weights(scene: Make) -> None:
    stage = scene(FEEDBACK)
    ready(stage)
    for request, release, at in (("a", OLD, "01"), ("b", NEW, "02"), ("c", NEW, "08"), ("d", OLD, "09")):
        stage.line(request, release, time=f"2027-01-15T08:00:{at}Z", segment=None)
    stage.line("e", NEW, role="shadow")
    stage.line("f", NEW, time="2027-01-15T07:59:00Z")
    stage.line("g", NEW, route="other")
    stage.arrivals.steer(START + 5, {"": 0.5})
    stage.time += 20
    found = stage.sources.accept(report(*((name, n / 10) for n, name in enumerate("abcdefg"))))
    assert (found["accepted"], found["unknown"], found["refused"]) == (5, 2, 0)
    assert found["unknown_ids"] == ["e", "g"]
    assert stage.tick() == []
    stage.time += 1.0
    first, second = stage.tick()
    assert (first.stable.scores, first.candidate.scores) == ({"made_up": (0.0,)}, {"made_up": (0.1,)})
    assert (second.stable.scores, second.candidate.scores) == ({"made_up": (0.3,)}, {"made_up": (0.2,)})
    assert stage.sources.status("digits")[0]["counts"] == {"accepted": 5}


def test_after_a_restart_no_label_is_lost_and_none_counts_twice(scene: Make) -> None:
    stage = scene(FEEDBACK)
    ready(stage)
    for name in "abc":
        stage.line(name, NEW)
    stage.time += 5
    stage.sources.accept(report(("a", 0.1)))
    stage.tick()
    saved = orjson.loads(
        orjson.dumps({"a": stage.arrivals.to_doc(), "s": stage.sources.to_doc(), "q": stage.sources.asked_doc()})
    )
    stage.sources.accept(report(("b", 0.2)))
    stage.time += 1.0
    values = [value for batch in stage.tick() for value in batch.candidate.scores["made_up"]]
    assert values == [0.1, 0.2]
    stage.sources.close()  # killed here, before that was journaled
    stage.arrivals, stage.sources = Arrivals.from_doc(saved["a"]), stage.open(saved["s"], saved["q"])
    stage.sources.accept(report(("b", 0.9), ("c", 0.3)))
    found: list[float] = []
    for _ in range(4):
        found += [value for batch in stage.tick() for value in batch.candidate.scores["made_up"]]
        stage.time += 1.0
    assert found == [0.1, 0.2, 0.3]


def test_what_feedback_was_asked_for_is_read_where_it_stood_before(scene: Make) -> None:
    stage = scene(FEEDBACK)
    asked = {"other": {"basket": [0.0, 9.0]}}
    sources = stage.open({"polls": {}, "taken": {}, "asked": asked})
    assert sources.asked_doc() == asked and not sources.pending
    sources.saw({"other": "its files cannot be read", "third": "neither can these"})
    assert sources.asked_doc() == asked and not sources.pending
    sources.saw({})
    assert sources.asked_doc() == {} and sources.pending
    sources.saved()
    assert not sources.pending
    sources.close()


def test_a_clock_that_is_set_back_moves_everything_along(scene: Make) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": QUERY}})
    stage.answer(stable=1.0, candidate=1.0)
    stage.tick()
    stage.time -= 3600
    stage.sources.shift(-3600)
    stage.arrivals.shift(-3600)
    stage.time += 10
    stage.answer(stable=2.0, candidate=2.0)
    assert len(stage.tick()) == 1
    assert stage.asked[-1][1] == (START - 3590,)


def test_counters_go_on_from_where_they_stood_over_a_clock_that_is_set_back(scene: Make) -> None:
    stage = scene({"metric": "bad", "source": {"prometheus": COUNTS}})
    stage.answer(stable=(1, 10), candidate=(1, 10))
    stage.tick()
    stage.time -= 3600
    stage.sources.shift(-3600)
    stage.arrivals.shift(-3600)
    moved = shifted(stage.state, -3600)
    stage.sources.renamed(stage.state, moved)
    stage.sources.follow(moved)
    stage.time += 10
    stage.answer(stable=(2, 30), candidate=(5, 30))
    [batch] = stage.tick()
    assert batch.candidate.counts == {"bad": (20, 4)}


def test_a_slow_server_starves_nobody(scene: Make) -> None:
    rails = [{"metric": f"m{n}", "source": {"prometheus": {**QUERY, "query": f"up{n}"}}} for n in range(9)]
    stage = scene(*rails)
    later = Later()
    stage.pool = later
    stage.sources = stage.open(None)
    asked = set[str]()
    for _ in range(40):
        stage.sources.submit({"digits": stage.arrivals}.get)
        stage.time += 10  # as long as a server that answers nobody is waited for
        for one in [one for one in later.kept if not one.done()]:
            one.set_result(Look(stage.time, down=RetryLater("timed out")))
        for done in stage.workers.take():
            asked.add(done.key[4].split()[0])  # type: ignore[index]
            assert stage.sources.took(done, {"digits": stage.arrivals}.get)
    assert asked == {f"m{n}" for n in range(9)}
    assert len(stage.sources.troubles("digits")) == 9


def test_a_look_that_ends_in_a_defect_is_a_source_that_is_down(scene: Make) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": QUERY}})
    later = Later()
    stage.pool = later
    stage.sources = stage.open(None)
    stage.sources.submit({"digits": stage.arrivals}.get)
    later.kept[0].set_exception(OSError("too many open files"))
    [done] = stage.workers.take()
    assert stage.sources.took(done, {"digits": stage.arrivals}.get)
    [trouble] = stage.sources.troubles("digits")
    assert trouble.cause is Hold.SOURCE_DOWN
    assert "too many open files" in trouble.why


def test_nobody_is_asked_of_a_candidate_that_only_copies_reach(scene: Make) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": QUERY}})
    steps = [{"name": "echo", "shadow": "100%", "for": "1h"}, {"name": "canary", "weight": "20%"}]
    mirrored = stage.policy.model_copy(update={"steps": PolicyFields.model_validate({"steps": steps}).steps})
    trial = replace(stage.state.candidate, policy=mirrored)
    stage.sources.follow(replace(stage.state, candidate=trial))
    asked = len(stage.asked)
    stage.time += 600
    assert stage.tick() == []
    assert len(stage.asked) == asked
    assert stage.sources.troubles("digits") == ()
    stage.sources.follow(replace(stage.state, candidate=replace(trial, step=1)))
    stage.answer(stable=1.0, candidate=1.0)
    assert len(stage.tick()) == 1


def test_where_the_candidate_has_everything_its_evidence_says_so(scene: Make) -> None:
    stage = scene({"metric": "basket", "source": {"prometheus": QUERY}}, FEEDBACK)
    ready(stage)
    stage.line("a", NEW, segment="eu")
    stage.line("b", NEW)
    stage.arrivals.steer(START + 0.5, {"": 0.5, "eu": 1.0})
    stage.time += 20
    stage.answer(candidate=1.0)
    stage.sources.accept(report(("a", 0.0), ("b", 0.0)))
    [looked] = stage.tick()
    assert looked.share is None
    stage.time += 1
    assert {batch.segment: batch.share for batch in stage.tick()} == {None: None, "eu": 1.0}
    stage.arrivals.steer(stage.time, {"": 1.0})
    stage.time += 10
    stage.answer(candidate=1.0)
    [looked] = stage.tick()
    assert looked.share == 1.0
