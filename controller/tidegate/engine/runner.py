"""Runs a controller until it is told to stop: hints and timers wake it, and once a second it writes down how things are.

A pass that fails is told and tried again; only a defect ends the loop. Neighbours: build.py has the parts, loop.py the pass,
showing.py what is written down.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

from tidegate.engine.build import Parts
from tidegate.engine.hints import Hint
from tidegate.engine.live import write_live
from tidegate.engine.loop import SLOW_TICK
from tidegate.engine.showing import Showing
from tidegate.gitrepo.watch import Watch
from tidegate.spec.errors import RetryLater

log = logging.getLogger(__name__)

LIVE_EVERY = 0.5
COLLECT = (50_000, 20, 20)
"""How seldom Python's collector looks for cycles: at a first start nearly all stays, and by default it took a quarter of it."""


class Runner:
    """One controller process. `stop` may be called from a signal handler or another thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._next_live = 0.0
        self._told_events = 0
        self._stopped = False
        self._settled = False
        self._showing = Showing(parts, parts.now())
        declared = parts.settings.controller
        self._watch = Watch(parts.settings.repository, declared.branch, self.hint_git)

    def stop(self) -> None:
        """End after the present pass."""
        self._stopped = True
        self._parts.hints.give(Hint.STOP)

    def hint_git(self) -> None:
        """The repository may have changed."""
        self._parts.hints.give(Hint.GIT)

    def status(self) -> dict[str, Any]:
        """The status as it was written last."""
        return self._showing.whole()

    def run(self) -> None:
        """Pass after pass until `stop`. What serves goes on serving after it.

        Raises NeedsPerson when the gateway cannot be started at all (its address is in use), LeaseLost when another controller
        acts by now.
        """
        parts, controller = self._parts, self._parts.controller
        gc.set_threshold(*COLLECT)
        try:
            controller.steering.start()
        except RetryLater as error:  # a full disk, a slow start: each pass tries again
            log.warning("the gateway does not run yet: %s", error)
        parts.runtime.watch(lambda: parts.hints.give(Hint.RUNTIME))
        hints = {Hint.GIT, Hint.RUNTIME}
        try:
            while not self._stopped:
                if Hint.GIT in hints or controller.ticks % 100 == 0:
                    self._watch.start()
                pause = controller.tick(hints)
                self._tell()
                self._settle(pause)
                hints = parts.hints.take(pause)
        finally:
            self._watch.stop()

    def _tell(self) -> None:
        """Twice a second, and at once when something happened: then of what moves alone."""
        now, events = self._parts.now(), self._parts.controller.events
        turn = now >= self._next_live
        if not turn and events == self._told_events:
            return
        self._told_events = events
        if turn:
            self._next_live = now + LIVE_EVERY
        self._showing.look(now, turn=turn)
        try:
            write_live(self._parts.settings.state, *self._showing.parts(now))
        except OSError as error:
            log.warning("the status cannot be written: %s", error)

    def _settle(self, pause: float) -> None:
        """Once there is nothing left to do for the first time: what is there by now lives as long as the process.

        Python's collector need not go through it again and again; with thousands of models that takes a second each time.
        """
        if not self._settled and pause >= SLOW_TICK:
            self._settled = True
            gc.freeze()


def open_parts(make: Callable[[], Parts], wait: Callable[[float], bool]) -> Parts | None:
    """Open everything, again and again while what fails may pass by itself (an engine that is still starting).

    `wait` sleeps so many seconds and says whether to give up. Raises NeedsPerson at once.
    """
    told = ""
    while True:
        try:
            return make()
        except RetryLater as error:
            if error.message != told:  # once, however long another controller acts
                log.warning("waits: %s", error)
                told = error.message
            if wait(max(1.0, error.delay)):
                return None
