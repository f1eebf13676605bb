"""The fleet over real processes: what a restarted controller makes of servers that run, and which it may stop."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from support.engine import eventually
from support.places import DIGEST, Place, ready
from support.provider import authority
from tidegate.engine.fleet import OBSERVE, Fleet
from tidegate.engine.need import Need
from tidegate.engine.providers import Providers
from tidegate.engine.workers import Workers, far_pool, light_pool, thread_pools
from tidegate.rollout.state import Readiness
from tidegate.runtime.interface import Runtime
from tidegate.runtime.probe import probe
from tidegate.runtime.providers import WithProviders
from tidegate.spec.controller import ProviderSettings
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.version import Provider
from tidegate.spec.version import Runtime as Spec


class Crew:
    """A fleet of one controller, with its workers, and a clock that a test can set forward."""

    def __init__(self, runtime: Runtime, later: float = 0.0) -> None:
        self.runtime, self.later = runtime, later
        self.workers = Workers(
            *thread_pools(4), self.now, random.Random(1), lambda: None, light=light_pool(2), far=far_pool(4)
        )
        self.fleet = Fleet(runtime, self.workers, self.now, probe)

    def now(self) -> float:
        return time.time() + self.later

    def settle(self) -> None:
        """Take in what the jobs say, until the look at the runtime has come back."""
        while self.workers.busy(OBSERVE):
            time.sleep(0.001)
        for done in self.workers.take():
            self.fleet.took(done)

    def look(self, *needs: Need, drain: float = 30.0, **more: Any) -> dict[str, Readiness]:
        """One pass: jobs that ended, what runs, what has to; and how ready it is."""
        for done in self.workers.take():
            self.fleet.took(done)
        if self.fleet.look():
            self.settle()
        self.fleet.reconcile({need.digest: need for need in needs}, {"digits"}, drain, **more)
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
    again.fleet.take_over([DIGEST], 100.0)
    eventually(lambda: again.look(wanted)[DIGEST] is Readiness.READY)

    assert ready(again.runtime).ref == ref
    assert again.fleet.servers.why() == {}


@pytest.mark.parametrize(("ran", "stays"), [(1000.0, True), (900.0, False)])
def test_a_server_that_served_before_the_controller_came_is_not_ended_for_being_too_busy(
    crew, process_place, ran, stays
):
    first = crew()
    eventually(lambda: first.look(need(process_place))[DIGEST] is Readiness.READY)
    ref = ready(first.runtime).ref
    busy = replace(need(process_place), spec=process_place.workload(ready="/none", startup_timeout="60s").spec)

    again = crew()
    again.fleet.take_over([DIGEST], time.time() + ran)
    eventually(lambda: again.look(busy)[DIGEST] is Readiness.STARTING)
    health = again.fleet.servers.health[busy.name(0)]
    eventually(lambda: again.look(busy) and health.settled)
    again.later = 100.0
    eventually(lambda: again.look(busy) and health.asked_at - health.seen_at > 60.0)
    eventually(lambda: again.look(busy)[DIGEST] is (Readiness.STARTING if stays else Readiness.FAILED))
    assert again.fleet.servers.stopping(busy.name(0)) is not stays
    assert bool(again.fleet.endpoints(DIGEST)) is stays
    assert not stays or ready(again.runtime).ref == ref


def test_a_server_that_never_gets_ready_has_failed_after_its_budget_and_starts_afresh(crew, process_place):
    wanted = need(process_place, env={"NOT_READY": "1"}, startup_timeout="60s")
    one = crew()
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.STARTING)
    (before,) = one.runtime.observe()
    one.later = 61.0
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.FAILED)
    assert "not ready within its start-up budget of 1m" in one.fleet.servers.why()[DIGEST]
    eventually(lambda: one.look(wanted) and [i for i in one.runtime.observe() if i.running and i.ref != before.ref])


def test_a_server_that_answers_when_its_late_end_comes_stays(crew, process_place, tmp_path):
    wanted = need(process_place, env={"NOT_READY": str(tmp_path / "now")}, startup_timeout="60s")
    one = crew()
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.STARTING)
    (before,) = one.runtime.observe()
    held = threading.Event()
    try:
        for place in range(4):  # as many jobs as there are threads for such: nothing ends while they last
            one.workers.submit(("held", place), held.wait, slow=True)
        one.later = 61.0
        eventually(lambda: one.look(wanted)[DIGEST] is Readiness.FAILED)
        assert one.fleet.servers.stopping(before.name)
        (tmp_path / "now").touch()
    finally:
        held.set()
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.READY)
    assert ready(one.runtime).ref == before.ref


def test_what_nobody_can_tell_how_to_run_is_left_running_and_trusted(crew, process_place):
    first = crew()
    eventually(lambda: first.look(need(process_place))[DIGEST] is Readiness.READY)
    ref = ready(first.runtime).ref
    later = RetryLater("git gave no answer")
    again = crew(later=3600.0)
    again.settle()
    for _ in range(3):
        again.look(unknown={DIGEST: later}, drain=0.0)
    assert again.fleet.readiness() == {DIGEST: Readiness.READY}
    assert again.fleet.endpoints(DIGEST)
    assert ready(again.runtime).ref == ref


def test_what_needs_a_person_to_run_at_all_has_failed(crew):
    one = crew()
    one.look(unknown={DIGEST: NeedsPerson("is served by an API provider", fix="declare a runtime")})
    assert one.fleet.readiness() == {DIGEST: Readiness.FAILED}
    assert "API provider" in one.fleet.servers.why()[DIGEST]
    one.look()
    assert one.fleet.readiness() == {}


def test_a_replica_too_many_leaves_the_gateway_at_once_and_ends_after_the_drain(crew, process_place):
    one = crew()
    eventually(lambda: one.look(need(process_place, 2))[DIGEST] is Readiness.READY)
    stays = one.fleet.endpoints(DIGEST)[:1]
    one.look(need(process_place, 1))
    assert one.fleet.endpoints(DIGEST) == stays
    one.look(need(process_place, 1))  # by now the gateway has been told, and the drain begins
    one.later = 31.0
    one.look(need(process_place, 1), may_stop=False)
    assert len([instance for instance in one.runtime.observe() if instance.running]) == 2
    eventually(lambda: one.look(need(process_place, 1)) and len(one.runtime.observe()) == 1)
    assert one.fleet.readiness() == {DIGEST: Readiness.READY}


def test_the_drain_begins_when_the_gateway_has_been_told_and_not_before(crew, process_place):
    one = crew()
    eventually(lambda: one.look(need(process_place, 2))[DIGEST] is Readiness.READY)
    one.look(need(process_place, 1))
    one.later = 31.0
    one.look(need(process_place, 1))
    assert not one.fleet.servers._stopping
    one.later = 60.0
    one.look(need(process_place, 1))
    assert not one.fleet.servers._stopping
    one.later = 62.0
    one.look(need(process_place, 1))
    assert one.fleet.servers._stopping


def test_a_server_that_is_asked_to_end_takes_no_more_requests(crew, process_place):
    one = crew()
    wanted = need(process_place, env={"IGNORE_TERM": "1"})
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.READY)
    for _ in range(3):  # it is marked, the gateway is told, its drain is over
        one.look(drain=0.0)
    assert one.workers.busy(("stop", ready(one.runtime).name))
    assert one.fleet.endpoints(DIGEST) == ()
    assert one.fleet.readiness()[DIGEST] is not Readiness.READY
    os.kill(int(ready(one.runtime).ref), signal.SIGKILL)


def test_a_server_that_is_too_busy_for_its_probe_still_gets_the_requests_that_nobody_else_takes(crew, process_place):
    one = crew()
    wanted = need(process_place)
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.READY)
    address = one.fleet.endpoints(DIGEST)
    server = int(ready(one.runtime).ref)
    os.kill(server, signal.SIGSTOP)
    try:
        one.later = 10.0
        eventually(lambda: one.look(wanted)[DIGEST] is Readiness.STARTING)
        assert one.fleet.endpoints(DIGEST) == address
    finally:
        os.kill(server, signal.SIGCONT)
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.READY)


def test_an_answer_to_a_question_from_before_a_pause_says_nothing(crew, process_place):
    one, wanted, go_on = crew(), need(process_place), threading.Event()
    asked: list[tuple[str, int]] = []
    took: list[object] = []

    def late(address: tuple[str, int], *_: object) -> tuple[bool, str]:
        asked.append(address)
        go_on.wait(60)
        return True, "200 OK"

    def answered() -> bool:
        for done in one.workers.take():
            one.fleet.took(done)
            took.append(done.key[0])
        return "probe" in took

    one.fleet = Fleet(one.runtime, one.workers, one.now, late)
    eventually(lambda: one.look(wanted) and asked)
    one.fleet.doubt()
    go_on.set()
    eventually(answered)
    assert one.fleet.readiness()[DIGEST] is not Readiness.READY
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.READY)
    assert len(asked) > 1


def test_a_look_from_before_a_pause_is_none_after_it(crew, process_place):
    """The host slept, and the server ended meanwhile: what was seen before says that it runs."""
    one, wanted = crew(), need(process_place)
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.READY)
    assert one.fleet.look()
    while one.workers.busy(OBSERVE):
        time.sleep(0.001)
    (instance,) = one.fleet.instances()
    one.runtime.stop(instance.name, 0.0)
    one.fleet.doubt()
    for done in one.workers.take():
        one.fleet.took(done)
    assert one.fleet.readiness()[DIGEST] is Readiness.READY  # for all that was seen
    assert not one.fleet.observed
    assert one.fleet.look()
    one.settle()
    assert one.fleet.observed
    assert one.fleet.readiness()[DIGEST] is not Readiness.READY


def test_slow_starts_keep_no_probe_waiting(crew, process_place):
    one = crew()
    wanted = need(process_place)
    eventually(lambda: one.look(wanted)[DIGEST] is Readiness.STARTING)
    go_on = threading.Event()
    try:
        for number in range(20):
            one.workers.submit(("start", f"slow-{number}", "0" * 64), lambda: go_on.wait(90), slow=True)
        eventually(lambda: one.look(wanted)[DIGEST] is Readiness.READY)
    finally:
        go_on.set()


def test_a_provider_that_never_shakes_hands_keeps_no_probe_of_a_server_waiting(process_place, tmp_path):
    (tmp_path / "key").write_text("sk-0123456789")
    (tmp_path / "ca.pem").write_bytes(authority(tmp_path).read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"https://localhost:{silent.getsockname()[1]}"
        provider = Provider.model_validate({
            "name": "openai", "model": "m", "endpoint": there, "credential": {"file": "key"}, "ca_file": "ca.pem",
        })  # fmt: skip
        allowed = ProviderSettings.model_validate({"credentials": [{"address": there, "file": "key"}]})
        providers = Providers(tmp_path, tmp_path / "own", allowed)
        one = Crew(WithProviders(process_place.open(), providers.instances, providers))
        hours = 3600.0  # longer than this test waits for anything
        elsewhere = Need(
            "digits", "3.0.0", "f" * 64, Spec(), 4, lambda: None, provider, lambda _: providers.reach(provider, hours)
        )
        probes = [("probe", name) for name in elsewhere.names()]

        def hanging() -> int:
            one.look(elsewhere)
            found = {i.name: i.ref for i in one.runtime.observe()}
            return sum(one.workers.busy((*probe, found.get(probe[1]))) for probe in probes)

        try:
            eventually(lambda: hanging() == 4)
            eventually(lambda: one.look(elsewhere, need(process_place))[DIGEST] is Readiness.READY)
            assert hanging() == 4
        finally:
            silent.close()
            one.workers.close()


def test_one_too_many_that_alone_answers_is_asked_after_a_restart_and_serves_on(crew, process_place):
    first = crew()
    eventually(lambda: first.look(need(process_place, 2))[DIGEST] is Readiness.READY)
    silent, answers = sorted(first.runtime.observe(), key=lambda one: one.replica)
    os.kill(int(silent.ref), signal.SIGSTOP)
    try:
        again = crew(later=3600.0)
        again.fleet.take_over([DIGEST], 100.0)
        eventually(lambda: again.look(need(process_place, 1))[DIGEST] is Readiness.READY)
        assert again.fleet.endpoints(DIGEST) == (answers.address,)
        assert [one.ref for one in again.runtime.observe() if one.running] == [silent.ref, answers.ref]
    finally:
        os.kill(int(silent.ref), signal.SIGCONT)
