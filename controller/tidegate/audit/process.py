"""Archives closed files in a child process that can be given up at any time: what it was at is begun anew the next time.

Neighbours: __main__.py is the child; the engine's archiving.py calls this in a worker's thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidegate.audit.chain import Segment, segment_of
from tidegate.spec.errors import InternalError, NeedsPerson, RetryLater


class Archiver:
    """Runs one child at a time. `take` is called by one thread, `close` by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False

    def take(self, root: Path, files: Sequence[Path], now: float) -> list[Segment]:
        """Archive these files, oldest first; the segments. Raises what `Archive.take` does, RetryLater when it was given up."""
        with self._started(root, files, now) as child:
            assert child.stdout is not None and child.stderr is not None
            reports = [json.loads(line) for line in child.stdout if line.endswith(b"\n")]
            words = child.stderr.read().decode("utf-8", "replace").strip().splitlines()
            code = child.wait()
        if self._closed:
            raise RetryLater("the record is archived by whoever acts next")
        for report in reports:
            if "error" in report:
                told = report["error"]
                kind = NeedsPerson if told["person"] else InternalError if told["exit"] == 3 else RetryLater
                raise kind(told["message"], where=told["where"], fix=told["fix"])
        if code:
            last = words[-1][:300] if words else "nothing"
            raise RetryLater(f"the archiving process ended with {code}, its last words: {last}", delay=60.0)
        return [segment_of(report["segment"]) for report in reports if report["segment"] is not None]

    @contextlib.contextmanager
    def _started(self, root: Path, files: Sequence[Path], now: float) -> Iterator[subprocess.Popen[bytes]]:
        room = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, [room, os.environ.get("PYTHONPATH", "")]))
        words = [sys.executable, "-m", "tidegate.audit", str(root), repr(now), *map(str, files)]
        with self._lock:
            if self._closed:
                raise RetryLater("the record is archived by whoever acts next")
            self._child = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,  # it ends when this end is closed, however that comes
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": paths},
                start_new_session=True,
            )
        with self._child as child:
            try:
                yield child
            finally:
                child.kill()

    def close(self) -> None:
        """End a child that runs, and begin none any more."""
        with self._lock:
            self._closed = True
            if self._child is not None and self._child.poll() is None:
                self._child.kill()
