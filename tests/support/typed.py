"""`tidegate` as it is typed, in this process: the program's own entry with its words, folder, variables, streams and exit code.

A program of its own costs half a second, measured a whole one. What its start, its end or a terminal has to do with is
tested with programs. Neighbours: cli/main.py is what is entered.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

from tidegate.cli.main import invoke


def typed(folder: Path, *words: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run it in a folder, with nothing on standard input. `environment`: all its variables."""
    streams = [io.BytesIO(), io.BytesIO(), io.BytesIO()]
    come, out, err = (io.TextIOWrapper(stream, encoding="utf-8", write_through=True) for stream in streams)
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.multiple(sys, argv=["tidegate", *words], stdin=come),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = invoke()
    return subprocess.CompletedProcess(["tidegate", *words], code, *(stream.getvalue() for stream in streams[1:]))
