"""Alerts of a controller: from the journal's events and the routes' states to a post, over restarts, beside the loop."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tidegate.alerts.letter import Letter
from tidegate.analysis.model import Result, Verdict
from tidegate.engine.alerting import Alerting
from tidegate.engine.figures import Stranger
from tidegate.engine.workers import Done, Workers, thread_pools
from tidegate.journal.journal import Journal
from tidegate.rollout.state import Candidate, Desired, Hold, Phase, RouteState, Watch
from tidegate.spec.errors import RetryLater
from tidegate.spec.policy import PolicyFields, Step
from tidegate.spec.release import Release

POLICY = PolicyFields(steps=(Step(name="full", weight="100%"),), notify=("env:TEAM_CHAT",))  # type: ignore[arg-type]  # as in YAML
OLD = Release("digits", "1.0.0", None, "d" * 64, "1" * 64, "a" * 40)
NEW = replace(OLD, digest="e" * 64, version="2.0.0", commit="b" * 40)
SENTENCE = (
    "error rate 19.1 % against 1.2 %, 412 candidate requests, odds of this by chance below 1 in 1,000,000; limit 1.0x"
)


class Place:
    """A journal, a clock, workers, and what was posted. `refuse`: what the post raises; `slow`: it waits for this."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.journal = Journal(folder / "journal.db", now=lambda: self.now)
        self.posted: list[tuple[str, Letter]] = []
        self.refuse: RetryLater | None = None
        self.slow: threading.Event | None = None
        self.events = 0
        self.states = {"digits": RouteState("digits", stable=OLD)}
        wish = Desired(NEW, POLICY, "b" * 40, owners=("vision-platform",))
        self.wishes: dict[str, Desired | None] = {"digits": wish}
        self.start()

    def start(self) -> None:
        """A new process on the same journal."""
        self.workers = Workers(*thread_pools(2), time.monotonic, random.Random(1), lambda: None)
        self.alerting = Alerting(
            self.journal, self.workers, self.post, ("env:EVERYBODY",), "production", lambda: self.now
        )
        self.events = 0

    def post(self, target: str, letter: Letter) -> None:
        if self.slow is not None:
            assert self.slow.wait(10)
        if self.refuse is not None:
            raise self.refuse
        self.posted.append((target, letter))

    def happen(self, kind: str, reason: str = SENTENCE, release: Release = NEW) -> None:
        """An event, durable as the loop makes it."""
        event = {"at": self.now, "route": "digits", "kind": kind, "release": release.id, "version": release.version,
                 "commit": release.commit, "reason": reason, "weights": {}}  # fmt: skip
        with self.journal.transaction() as transaction:
            transaction.add_events([event])
        self.events += 1

    def look(self, seconds: float = 0.0, strangers: Sequence[Stranger] = ()) -> list[Done]:
        """A pass, so much later; what ended meanwhile."""
        self.now += seconds
        done = self.workers.take()
        for one in done:
            assert self.alerting.took(one)
        self.alerting.look(self.states, self.wishes, self.events, strangers)
        return done

    def until(self, holds: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 60
        while not (found := holds()):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return found

    def arrived(self, count: int) -> list[Letter]:
        """Wait until so many messages were posted, and take it in."""
        self.until(lambda: len(self.posted) == count)
        self.until(lambda: not any(self.workers.busy(("alert", target)) for target in self.alerting.desk.boxes))
        self.look()
        return [letter for _, letter in self.posted]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(tmp_path)
    yield one
    one.workers.close()
    one.journal.close()


def test_a_rollback_is_told_with_its_sentence_and_what_to_type(place: Place) -> None:
    place.happen("rolled_back")
    place.look()
    [letter] = place.arrived(1)
    assert letter.title == "[production] digits 2.0.0 was rolled back"
    first, about, after = letter.body.split("\n")
    assert first == f"{SENTENCE}; owner vision-platform"
    assert about == f"route digits, release {NEW.id} (2.0.0), commit {'b' * 12}, 1970-01-01 00:16:40Z"
    assert "tidegate retry digits" in after
    assert place.posted[0][0] == "env:TEAM_CHAT"


def test_a_policy_that_names_nobody_goes_by_the_controller(place: Place) -> None:
    wish = place.wishes["digits"]
    assert wish is not None
    place.wishes["digits"] = replace(wish, policy=POLICY.model_copy(update={"notify": ()}))
    place.happen("promoted", "all steps are over")
    place.look()
    place.arrived(1)
    assert place.posted[0][0] == "env:EVERYBODY"


def test_a_hold_is_told_when_it_lasts_and_one_that_a_person_asked_for_is_not(place: Place) -> None:
    held = Candidate(
        NEW, "b" * 40, Phase.HOLDING, 0.0, POLICY, step=0, hold=Hold.MANUAL, hold_reason="hold: true in git"
    )
    place.states["digits"] = replace(place.states["digits"], candidate=held)
    place.look()
    place.look(300.0)
    assert place.posted == []
    waits = replace(
        held, hold=Hold.APPROVAL, hold_reason="step 'full' waits for a person (tidegate approve digits full)"
    )
    place.states["digits"] = replace(place.states["digits"], candidate=waits)
    place.look()
    place.look(61.0)
    [letter] = place.arrived(1)
    assert letter.title.endswith("digits 2.0.0 is held")
    assert "tidegate approve digits full" in letter.body


def test_a_stable_release_that_cannot_serve_is_told_and_so_is_its_recovery(place: Place) -> None:
    place.states["digits"] = replace(
        place.states["digits"], degraded="digits 1.0.0 does not answer: 2.0.0 has its traffic"
    )
    place.look()
    place.look(5.0)
    [letter] = place.arrived(1)
    assert letter.title == "[production] digits 1.0.0 is degraded"
    assert letter.body.startswith("digits 1.0.0 does not answer: 2.0.0 has its traffic; owner vision-platform\n")
    assert "tidegate logs digits@1.0.0" in letter.body
    place.states["digits"] = replace(place.states["digits"], degraded=None)
    place.look()
    place.look(5.0)
    assert place.arrived(2)[1].title == "[production] digits 1.0.0 goes on"


def test_a_promoted_release_that_breaks_its_limits_with_nothing_to_go_back_to_is_a_breach(place: Place) -> None:
    said = Verdict(Result.FAIL, f"{SENTENCE}; owner vision-platform", promotable=False)
    watch = Watch(OLD, "b" * 40, POLICY, 0.0, 9e9, verdict=said, alerted=True)
    place.states["digits"] = replace(place.states["digits"], watch=watch)
    place.look()
    [letter] = place.arrived(1)
    assert letter.title == "[production] digits 1.0.0 breaks its limits"
    assert letter.body.startswith(f"after its promotion: {SENTENCE}; owner vision-platform\n")
    assert letter.body.endswith("Next: tidegate rollback digits takes it back")
    assert letter.urgency == "failure"


def test_a_restart_repeats_nothing_and_loses_nothing(place: Place) -> None:
    place.happen("promoted", "fine", OLD)
    place.look()
    place.arrived(1)
    place.workers.close()
    place.start()
    place.look(30.0)
    assert len(place.posted) == 1
    place.happen("rolled_back")  # by a controller that was killed before it could tell
    place.workers.close()
    place.start()
    place.look(30.0)
    assert [letter.title.split("] ")[1] for letter in place.arrived(2)] == [
        "digits 1.0.0 was promoted",
        "digits 2.0.0 was rolled back",
    ]


def test_who_begins_to_tell_does_not_tell_the_past(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        event = {
            "at": 1.0,
            "route": "digits",
            "kind": "promoted",
            "release": "x",
            "version": "1",
            "commit": "c",
            "reason": "",
        }
        with journal.transaction() as transaction:
            transaction.add_events([event])
    place = Place(tmp_path)
    try:
        place.look()
        assert place.alerting.desk.boxes == {}
    finally:
        place.workers.close()
        place.journal.close()


def test_a_delivery_that_fails_is_tried_again_and_one_that_hangs_keeps_nobody_waiting(place: Place) -> None:
    place.refuse = RetryLater("env:TEAM_CHAT did not take the message", delay=0.05)
    place.happen("rolled_back")
    place.look()
    done = place.until(lambda: place.look())
    assert done[0].error is place.refuse
    place.refuse, place.slow = None, threading.Event()
    place.until(lambda: place.look() or place.workers.busy(("alert", "env:TEAM_CHAT")))
    began = time.monotonic()
    for _ in range(20):
        place.look(0.01)
    assert time.monotonic() - began < 60, "a look that waited for it would never end"
    assert place.posted == []
    place.slow.set()
    assert len(place.arrived(1)) == 1
    place.look(600.0)
    assert len(place.posted) == 1


def test_answers_of_another_model_are_told_once_however_many_they_become(place: Place) -> None:
    one = Stranger("digits", NEW.id, "2.0.0", "b" * 40, "gpt-4o-2024-11-20", "gpt-4o-2024-08-06", 1)
    place.look(strangers=[one])
    place.look(60.0, [replace(one, answers=500)])
    [letter] = place.arrived(1)
    assert letter.title == "[production] digits 2.0.0 is answered by another model" and letter.urgency == "failure"
    assert (
        "'gpt-4o-2024-11-20' instead of 'gpt-4o-2024-08-06'" in letter.body
        and "tidegate rollback digits" in letter.body
    )
