"""Hints wake the loop, are taken once, and may come from any thread."""

from __future__ import annotations

import threading
import time

from tidegate.engine.hints import Hint, Hints


def test_hints_are_taken_together_and_once() -> None:
    hints = Hints()
    hints.give(Hint.GIT)
    hints.give(Hint.GIT)
    hints.give(Hint.WORK)
    assert hints.take(10.0) == {Hint.GIT, Hint.WORK}
    assert hints.take(0.0) == set()


def test_a_hint_from_another_thread_ends_the_wait() -> None:
    hints = Hints()
    threading.Timer(0.05, hints.give, [Hint.RUNTIME]).start()
    begun = time.monotonic()
    assert hints.take(120.0) == {Hint.RUNTIME}
    assert time.monotonic() - begun < 60.0
