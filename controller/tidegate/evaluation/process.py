"""Runs a measurement, or an evaluator's own command, in a child process that can be given up at any time.

A process of its own: its work, scikit-learn's memory and its defects stay out of the controller. Neighbours:
__main__.py is the child; the engine's staging.py calls this in a worker's thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tidegate.evaluation.job import Job, Measured
from tidegate.spec.errors import InternalError, NeedsPerson, RetryLater

POLL = 0.05
LONGEST = 16 << 20
"""Bytes of output that are kept; a report is a few thousand."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `code` None: it was given up, at its time's end or because it was cancelled."""

    code: int | None
    output: str
    errors: str


class Cancelled(Exception):  # noqa: N818 the name says what happened
    """Nobody wants to know any more."""


def measure(job: Job, timeout: float, cancelled: Callable[[], bool]) -> Measured:
    """Do the job in a child. `timeout` in seconds, of the whole. Raises Cancelled, NeedsPerson, RetryLater."""
    ended = _child({"job": job.to_doc()}, timeout, cancelled, None)
    if ended.code is None:
        raise NeedsPerson(
            f"it did not end within {timeout:g} s",
            where="validate.timeout",
            fix="raise validate.timeout or validate.concurrency in the policy, or take a smaller set",
        )
    try:
        report = json.loads(ended.output)
    except ValueError as error:
        words = (ended.errors.strip().splitlines() or ["nothing"])[-1]
        raise InternalError(f"the measuring process ended with {ended.code}, its last words: {words[:300]}") from error
    if "error" in report:
        told = report["error"]
        kind = NeedsPerson if told["person"] else RetryLater
        raise kind(told["message"], where=told["where"], fix=told["fix"])
    return Measured.of(report["measured"])


def run_command(
    command: Sequence[str], env: Mapping[str, str], folder: Path, timeout: float, cancelled: Callable[[], bool]
) -> Ended:
    """Run an evaluator's command in `folder` with exactly this environment. Raises Cancelled."""
    order = {"command": list(command), "cwd": str(folder)}
    return _child(order, timeout, cancelled, env)


def _child(
    order: Mapping[str, Any], timeout: float, cancelled: Callable[[], bool], env: Mapping[str, str] | None
) -> Ended:
    room = str(Path(__file__).parents[2])
    environment = {**(os.environ if env is None else env)}
    if env is None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [room, environment.get("PYTHONPATH", "")]))
    words = [sys.executable, *(() if env is None else ("-I",)), *_module(env is not None, room)]
    child = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    kept = [bytearray(), bytearray()]
    readers = [
        threading.Thread(target=_drain, args=(stream, into), daemon=True)
        for stream, into in zip((child.stdout, child.stderr), kept, strict=True)
    ]
    for reader in readers:
        reader.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.flush()
        code = _wait(child, timeout, cancelled)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        for reader in readers:
            reader.join()
        child.stdout.close()
        child.stderr.close()
    output, errors = (bytes(one).decode("utf-8", "replace") for one in kept)
    return Ended(code, output, errors)


def _module(isolated: bool, room: str) -> tuple[str, ...]:
    """How the child's program is named: an evaluator's environment is its own, so its path cannot come by a variable."""
    if not isolated:
        return ("-m", "tidegate.evaluation")
    start = "import runpy, sys; sys.path.insert(0, sys.argv.pop()); runpy.run_module('tidegate.evaluation', run_name='__main__')"
    return ("-c", start, room)


def _wait(child: subprocess.Popen[bytes], timeout: float, cancelled: Callable[[], bool]) -> int | None:
    """The exit code; None when its time is over. Raises Cancelled."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return child.wait(POLL)
        except subprocess.TimeoutExpired:
            if cancelled():
                raise Cancelled from None
            if time.monotonic() > deadline:
                return None


def _drain(stream: IO[bytes], into: bytearray) -> None:
    while chunk := stream.read1(65536):  # type: ignore[attr-defined]  # a pipe's stream has it
        into += chunk[: max(0, LONGEST - len(into))]
