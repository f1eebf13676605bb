"""`python -m tidegate.evaluation`: one order on the first line of standard input, its report on standard output. A child process.

It ends when its standard input does: no measurement outlives the controller that asked for it. Neighbour: process.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

from tidegate.spec.errors import NeedsPerson, TidegateError


def main() -> int:
    """Do the order: `job` (measure) or `command` (run it, its output is passed on). Exit code of a command: its own."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if "command" in order:
        return _command(order)
    from tidegate.evaluation.job import Job
    from tidegate.evaluation.measure import run

    try:
        print(json.dumps({"measured": run(Job.of(order["job"])).to_doc()}))  # noqa: T201 the report
    except* TidegateError as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        print(json.dumps({"error": _error(first)}))  # noqa: T201 the report
    return 0


def _command(order: dict[str, Any]) -> int:
    try:
        return subprocess.run(order["command"], stdin=subprocess.DEVNULL, cwd=order["cwd"], check=False).returncode
    except OSError as error:
        print(f"cannot run '{order['command'][0]}': {error.strerror}", file=sys.stderr)  # noqa: T201 for the parent
        return 127


def _error(error: BaseException) -> dict[str, Any]:
    assert isinstance(error, TidegateError)
    return {
        "person": isinstance(error, NeedsPerson),
        "message": error.message,
        "where": error.where,
        "fix": error.fix,
    }


def _end_with_parent() -> None:
    """Blocks until the parent's end of the pipe is closed; then this whole process group ends."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
