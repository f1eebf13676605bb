"""Tells at once when a watched process ends: one thread waits on the kernel's handles of all of them.

Neighbours: process.py adds every process it finds or starts.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
from collections.abc import Callable


class Deaths:
    """Any number of processes, any number of hints. Hints may come doubled."""

    def __init__(self) -> None:
        self._hints: tuple[Callable[[], None], ...] = ()
        self._lock = threading.Lock()
        self._watched: dict[int, int] = {}
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="process-deaths", daemon=True)
        self._thread.start()

    def hint(self, call: Callable[[], None]) -> None:
        """Call this one too, from now on."""
        with self._lock:
            self._hints = (*self._hints, call)

    def add(self, pid: int) -> None:
        """Watch this process; one that is gone already is told of at once."""
        with self._lock:
            if self._closed or pid in self._watched:
                return
            with contextlib.suppress(ProcessLookupError):
                self._watched[pid] = descriptor = os.pidfd_open(pid)
                self._selector.register(descriptor, selectors.EVENT_READ, pid)
                return
        self.tell()

    def tell(self) -> None:
        """Call all hints."""
        for call in self._hints:
            call()

    def close(self) -> None:
        """End the thread; the processes go on."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._selector.close()
        for descriptor in (*self._watched.values(), self._wake):
            os.close(descriptor)

    def _run(self) -> None:
        while not self._closed:
            ended = False
            for key, _ in self._selector.select():
                if key.fd == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.eventfd_read(self._wake)
                    continue
                with self._lock:
                    self._selector.unregister(key.fd)
                    os.close(self._watched.pop(key.data))
                ended = True
            if ended:
                self.tell()
