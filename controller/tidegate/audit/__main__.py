"""`python -m tidegate.audit ROOT NOW FILE...`: archives closed files of the record, one report a line. A child process.

Its work is seconds of processor and hundreds of megabytes: they stay out of the controller. It ends when its standard
input does; what it was at is begun anew then. Neighbour: process.py.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from tidegate.audit.archive import Archive
from tidegate.spec.errors import NeedsPerson, TidegateError

LAST = 19
"""The niceness of the child: it takes what nobody else wants."""


def main() -> int:
    """Archive one file after the other; the first error is the last report."""
    root, now, *files = sys.argv[1:]
    os.nice(LAST)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    archive = Archive(Path(root))
    for file in files:
        try:
            segment = archive.take(Path(file), float(now))
        except TidegateError as error:
            told = {"message": error.message, "where": error.where, "fix": error.fix}
            _report({"error": {**told, "person": isinstance(error, NeedsPerson), "exit": error.exit_code}})
            return 1
        _report({"file": file, "segment": asdict(segment) if segment is not None else None})
    return 0


def _report(doc: dict[str, object]) -> None:
    print(json.dumps(doc), flush=True)  # noqa: T201 for the parent


def _end_with_parent() -> None:
    """Blocks until the parent's end of the pipe is closed."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
