"""Jobs beside the loop: one a key, back-off that grows a key, defects that stay in their job."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.engine import eventually
from tidegate.engine.workers import FIRST_DELAY, LONGEST_DELAY, Done, Workers, measuring_pool, thread_pools
from tidegate.spec.errors import NeedsPerson, RetryLater


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wakes() -> list[int]:
    return []


@pytest.fixture
def workers(clock: Clock, wakes: list[int]) -> Iterator[Workers]:
    found = Workers(*thread_pools(4), clock, random.Random(7), lambda: wakes.append(1))
    yield found
    found.close()


def run(workers: Workers, key: object, job: Callable[[], Any]) -> Done:
    assert workers.submit(key, job)
    [done] = eventually(workers.take)
    return done


def fail(error: Exception) -> Callable[[], Any]:
    def job() -> None:
        raise error

    return job


def test_a_job_gives_its_value_and_wakes_the_loop(workers: Workers, wakes: list[int]) -> None:
    done = run(workers, "a", lambda: 42)
    assert (done.key, done.value, done.error, done.attempts) == ("a", 42, None, 0)
    eventually(lambda: wakes == [1])
    assert workers.take() == []


def test_one_job_a_key_at_a_time_and_other_keys_beside_it(workers: Workers) -> None:
    go = threading.Event()
    assert workers.submit("slow", go.wait)
    assert workers.busy("slow")
    assert not workers.submit("slow", lambda: None)
    assert run(workers, "other", lambda: 1).value == 1
    go.set()
    eventually(workers.take)
    assert not workers.busy("slow")
    assert workers.submit("slow", lambda: None)


def test_a_failed_key_backs_off_longer_each_time_and_alone(workers: Workers, clock: Clock) -> None:
    error, pauses = RetryLater("the server is away", delay=0.1), []
    for attempt in range(1, 12):
        assert run(workers, "bad", fail(error)).attempts == attempt
        assert run(workers, "good", lambda: 1).value == 1
        ended = clock.now
        while not workers.submit("bad", lambda: None):
            clock.now += 0.01
        pauses.append(clock.now - ended)
        eventually(workers.take)
        workers.forget("bad")
        for _ in range(attempt):  # that try was a success: as many failures as before it
            run(workers, "bad", fail(error))
            clock.now += 2 * LONGEST_DELAY
    for number, pause in enumerate(pauses):
        middle = min(LONGEST_DELAY, FIRST_DELAY * 2**number)
        assert 0.75 * middle <= pause <= 1.25 * middle + 0.02
    assert len({round(pause / min(LONGEST_DELAY, FIRST_DELAY * 2**n), 3) for n, pause in enumerate(pauses)}) > 5


def test_the_pause_is_at_least_what_the_error_asks_for(workers: Workers, clock: Clock) -> None:
    run(workers, "bad", fail(RetryLater("later", delay=20.0)))
    clock.now += 14.9
    assert not workers.submit("bad", lambda: 1)
    clock.now += 10.2
    assert run(workers, "bad", lambda: 1).value == 1


def test_what_needs_a_person_is_tried_rarely_and_forget_tries_at_once(workers: Workers, clock: Clock) -> None:
    error = NeedsPerson("wrong digest", fix="correct it")
    assert run(workers, "bad", fail(error)).error is error
    clock.now += LONGEST_DELAY - 0.1
    assert not workers.submit("bad", lambda: 1)
    workers.forget("bad")
    assert run(workers, "bad", lambda: 1).attempts == 0


def test_a_success_ends_the_back_off(workers: Workers, clock: Clock) -> None:
    for _ in range(3):
        run(workers, "bad", fail(RetryLater("no", delay=0.1)))
        clock.now += 100
    run(workers, "bad", lambda: 1)
    assert run(workers, "bad", fail(RetryLater("no", delay=0.1))).attempts == 1


def test_a_defect_is_an_error_of_its_job_with_the_cause_kept(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        done = run(workers, "defect", lambda: 1 / 0)
    assert isinstance(done.error, RetryLater)
    assert isinstance(done.error.__cause__, ZeroDivisionError)
    assert "ZeroDivisionError" in done.error.message
    assert "a defect in defect" in caplog.text
    assert run(workers, "next", lambda: 1).value == 1


def test_closing_waits_for_what_runs_and_drops_what_waits(clock: Clock) -> None:
    workers = Workers(*thread_pools(1), clock, random.Random(7), lambda: None)
    go, ran = threading.Event(), []
    workers.submit("first", lambda: (go.wait(), ran.append("first")))
    workers.submit("second", lambda: ran.append("second"))
    closing = threading.Thread(target=workers.close)
    closing.start()
    eventually(lambda: not workers.busy("second"))
    go.set()
    closing.join(5)
    assert ran == ["first"]


def test_validations_that_wait_for_each_other_keep_no_start_waiting_and_begin_only_while_this_controller_acts(
    clock: Clock,
) -> None:
    ours, go = threading.Event(), threading.Event()
    pool = measuring_pool(2)
    workers = Workers(*thread_pools(2), clock, random.Random(7), lambda: None, allowed=ours.is_set, measures=pool)
    assert workers.submit("of another", lambda: 1, measures=True)
    [done] = eventually(workers.take)
    assert isinstance(done.error, RetryLater)
    ours.set()
    for number in range(8):
        assert workers.submit(("validate", number), lambda: go.wait(60), measures=True)
    assert workers.submit("start", lambda: "up", slow=True)
    [done] = eventually(workers.take)
    assert (done.key, done.value) == ("start", "up")
    go.set()
    eventually(lambda: not any(workers.busy(("validate", number)) for number in range(8)))
    workers.close()
    with pytest.raises(RuntimeError):
        pool.submit(go.set)
