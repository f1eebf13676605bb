"""Slow work beside the loop: one job a key at a time, with back-off and jitter a key, results taken by the loop.

The loop never waits for a container, a download or a push; one bad model never stops another (STYLE habit 3).
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError

log = logging.getLogger(__name__)

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """A job that ended: its value, or the error that it ended with. `attempts` counts failures in a row."""

    key: Hashable
    value: Any = None
    error: TidegateError | None = None
    attempts: int = 0


def thread_pools(size: int) -> tuple[Executor, Executor]:
    """`size` threads for what is over in seconds, and as many for what may take minutes."""
    return ThreadPoolExecutor(size, "tidegate-work"), ThreadPoolExecutor(size, "tidegate-slow")


def asking_pool(size: int) -> Executor:
    """Threads for questions to servers of other people, which may take long to answer and wait for nobody."""
    return ThreadPoolExecutor(size, "tidegate-asks")


def light_pool(size: int) -> Executor:
    """Threads for jobs that are many and of little weight each."""
    return ThreadPoolExecutor(size, "tidegate-light")


def far_pool(size: int) -> Executor:
    """Threads for probes of servers elsewhere: a name that nobody resolves holds one for long."""
    return ThreadPoolExecutor(size, "tidegate-far")


def measuring_pool(size: int) -> Executor:
    """Threads for validations, which may take an hour each and wait for the release that is measured."""
    return ThreadPoolExecutor(size, "tidegate-measures")


class Workers:
    """Jobs told apart by key. Thread-safe; the loop calls everything but the jobs themselves.

    `pool` runs them, `slow` those that may take minutes, `light` (else `pool`) those that are many, `far` (else `light`)
    those of them that leave this machine, `asks` (else `pool`) those that wait for servers of other people, and `measures`
    (else `slow`) validations: no download or start may keep a push waiting, no thousand probes a commit, no name server the
    probes of servers here, no dead metric source any of them, and no candidate that is measured the start of a server.
    """

    def __init__(
        self,
        pool: Executor,
        slow: Executor,
        now: Callable[[], float],
        rng: random.Random,
        wake: Callable[[], None],
        light: Executor | None = None,
        allowed: Callable[[], bool] = lambda: True,
        asks: Executor | None = None,
        far: Executor | None = None,
        measures: Executor | None = None,
    ) -> None:
        self._allowed = allowed
        self._pool = pool
        self._slow = slow
        self._light = light or pool
        self._far = far or self._light
        self._asks = asks or pool
        self._measures = measures or slow
        self._now = now
        self._rng = rng
        self._wake = wake
        self._lock = threading.Lock()
        self._running: set[Hashable] = set()
        self._done: list[Done] = []
        self._failures: dict[Hashable, int] = {}
        self._not_before: dict[Hashable, float] = {}

    def submit(
        self,
        key: Hashable,
        job: Callable[[], Any],
        *,
        slow: bool = False,
        light: bool = False,
        far: bool = False,
        asks: bool = False,
        measures: bool = False,
        news: Callable[[Any], bool] | None = None,
    ) -> bool:
        """Start `job` unless one of this key runs or backs off. True when it was started. `slow`: it may take minutes.

        `light`: it is one of many; `far`: such a one, that leaves this machine. `asks`: it waits for a server of other people.
        `measures`: it is a validation.
        `news`: whether its value is worth waking the loop for; without it, every value is.
        """
        with self._lock:
            if key in self._running or self._now() < self._not_before.get(key, 0.0):
                return False
            self._running.add(key)
        flags = (
            (measures, self._measures),
            (slow, self._slow),
            (far, self._far),
            (light, self._light),
            (asks, self._asks),
        )
        pool = next((pool for asked, pool in flags if asked), self._pool)
        future = pool.submit(job if light or far else lambda: self._run(job))
        future.add_done_callback(lambda ended: self._finish(key, ended, news))
        return True

    def _run(self, job: Callable[[], Any]) -> Any:
        """A job that changes something begins only while this controller is the one that acts."""
        if not self._allowed():
            raise RetryLater("another controller may act by now")
        return job()

    def busy(self, key: Hashable) -> bool:
        """True while a job of this key runs."""
        with self._lock:
            return key in self._running

    def take(self) -> list[Done]:
        """The jobs that ended since the last call."""
        with self._lock:
            done, self._done = self._done, []
        return done

    def forget(self, key: Hashable) -> None:
        """Drop the back-off of a key: what it was about has changed."""
        with self._lock:
            self._failures.pop(key, None)
            self._not_before.pop(key, None)

    def hurry(self, key: Hashable) -> None:
        """Let a key try again at once; how often it failed in a row stays counted."""
        with self._lock:
            self._not_before.pop(key, None)

    def close(self) -> None:
        """Start nothing more; what runs is waited for."""
        for pool in (self._pool, self._slow, self._light, self._far, self._asks, self._measures):
            pool.shutdown(wait=True, cancel_futures=True)

    def _finish(self, key: Hashable, future: Future[Any], news: Callable[[Any], bool] | None) -> None:
        error: TidegateError | None = None
        value = None
        if future.cancelled():
            with self._lock:
                self._running.discard(key)
            return
        raised = future.exception()
        if raised is None:
            value = future.result()
        elif isinstance(raised, TidegateError):
            error = raised
        else:
            log.error("a defect in %s", key, exc_info=raised)
            error = RetryLater(f"internal error: {type(raised).__name__}: {raised}", delay=5.0)
            error.__cause__ = raised
        with self._lock:
            self._running.discard(key)
            if error is None:
                self._failures.pop(key, None)
                self._not_before.pop(key, None)
                attempts = 0
            else:
                attempts = self._failures.get(key, 0) + 1
                self._failures[key] = attempts
                self._not_before[key] = self._now() + self._delay(error, attempts)
            self._done.append(Done(key, value, error, attempts))
        if error is not None or news is None or news(value):
            self._wake()

    def _delay(self, error: TidegateError, attempts: int) -> float:
        if isinstance(error, NeedsPerson):
            return LONGEST_DELAY
        least = error.delay if isinstance(error, RetryLater) else FIRST_DELAY
        grown: float = min(LONGEST_DELAY, max(least, FIRST_DELAY * 2 ** min(attempts - 1, 10)))
        return grown * self._rng.uniform(0.75, 1.25)
