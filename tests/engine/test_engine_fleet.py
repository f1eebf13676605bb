"""The fleet over real processes: what a restarted controller makes of servers that run, and which it may stop."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.engine import eventually
from support.places import DIGEST, Place, ready
from tidegate.engine.fleet import OBSERVE, Fleet, Need
from tidegate.engine.workers import Workers
from tidegate.rollout.state import Readiness
from tidegate.runtime.interface import Runtime


class Crew:
    """A fleet of one controller, with its workers, and a clock that a test can set forward."""

    def __init__(self, runtime: Runtime, later: float = 0.0) -> None:
        self.runtime, self.later = runtime, later
        self.workers = Workers(4, self.now, random.Random(1), lambda: None)
        self.fleet = Fleet(runtime, self.workers, self.now)

    def now(self) -> float:
        return time.time() + self.later

    def settle(self) -> None:
        """Take in what the jobs say, until the look at the runtime has come back."""
        while self.workers.busy(OBSERVE):
            time.sleep(0.001)
        for done in self.workers.take():
            self.fleet.took(done)

    def look(self, *needs: Need, drain: float = 30.0) -> dict[str, Readiness]:
        """One pass: jobs that ended, what runs, what has to; and how ready it is."""
        for done in self.workers.take():
            self.fleet.took(done)
        if self.fleet.look():
            self.settle()
        self.fleet.reconcile({need.digest: need for need in needs}, {"digits"}, drain)
        return self.fleet.readiness()


@pytest.fixture
def crew(process_place: Place) -> Iterator[Callable[..., Crew]]:
    """Makes crews on one place: each is a controller that starts."""
    crews = []

    def make(later: float = 0.0) -> Crew:
        crews.append(Crew(process_place.open(), later))
        return crews[-1]

    yield make
    for one in crews:
        one.workers.close()


def need(place: Place, replicas: int = 1, **more: Any) -> Need:
    """The test server, as a release asks for it."""
    spec = place.workload(ready="/ready", **more).spec
    return Need("digits", "2.0.0+data.7", DIGEST, spec, replicas, lambda: None)


def test_a_server_older_than_its_start_up_budget_lives_on_when_the_controller_starts_again(crew, process_place):
    wanted = need(process_place, startup_timeout="60s")
    first = crew()
    eventually(lambda: first.look(wanted)[DIGEST] is Readiness.READY)
    ref = ready(first.runtime).ref

    again = crew(later=3600.0)
    again.fleet.take_over([DIGEST])
    eventually(lambda: again.look(wanted)[DIGEST] is Readiness.READY)

    assert ready(again.runtime).ref == ref
    assert again.fleet.why() == {}


def test_a_server_that_never_gets_ready_has_failed_after_its_budget_and_starts_afresh(crew, process_place):
    wanted = need(process_place, env={"NOT_READY": "1"}, startup_timeout="60s")
    one = crew()
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.STARTING)
    (before,) = one.runtime.observe()
    one.later = 61.0
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.FAILED)
    assert "not ready within its start-up budget of 1m" in one.fleet.why()[DIGEST]
    eventually(lambda: one.look(wanted) and [i for i in one.runtime.observe() if i.running and i.ref != before.ref])
