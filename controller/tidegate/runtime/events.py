"""Listens to the engine's events in a thread of its own and calls hints; connects again when the engine restarts.

Neighbours: docker.py starts it. Events are hints only: the next look at the engine is the truth.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Any

import docker
from docker.types.daemon import CancellableStream

log = logging.getLogger(__name__)

KINDS = ["start", "die", "oom", "destroy", "pause", "unpause"]
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0


class Listener:
    """One stream of events, filtered by one label, for any number of hints."""

    def __init__(self, client: docker.DockerClient, label: str) -> None:
        self._client = client
        self._label = label
        self._hints: tuple[Callable[[], None], ...] = ()
        self._closing = threading.Event()
        self._stream: CancellableStream[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="docker-events", daemon=True)

    def add(self, hint: Callable[[], None]) -> None:
        """Call this one too, from now on."""
        self._hints = (*self._hints, hint)
        if not self._thread.is_alive() and not self._closing.is_set():
            self._thread.start()

    def close(self) -> None:
        """End the stream and the thread."""
        self._closing.set()
        while self._thread.is_alive():  # the stream may be opened just now: cut it until the thread has ended
            self._cut()
            self._thread.join(0.05)

    def _cut(self) -> None:
        stream = self._stream
        if stream is not None:
            try:
                stream.close()
            except (OSError, AttributeError, docker.errors.DockerException) as error:
                log.debug("the stream of events was closed already: %s", error)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            try:
                filters = {"type": "container", "label": self._label, "event": KINDS}
                self._stream = self._client.events(decode=True, filters=filters)
                pause = FIRST_PAUSE
                self._hint()  # whatever happened before we listened was not heard
                for _ in self._stream:
                    self._hint()
                reason = "the stream ended"
            except Exception as error:  # noqa: BLE001 the SDK raises much when an engine goes away; the thread must stay
                reason = str(error)
            self._stream = None
            if not self._closing.is_set():
                log.info("no events from the Docker engine (%s); listening again in %.1f s", reason[:200], pause)
                self._closing.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 jitter is no secret
                pause = min(pause * 2, LONGEST_PAUSE)

    def _hint(self) -> None:
        if not self._closing.is_set():
            for hint in self._hints:
                hint()
