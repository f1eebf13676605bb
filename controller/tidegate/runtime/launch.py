"""Launches one command under a shim of its own, and says why that did not work.

Neighbours: process.py decides what to launch; shim.py is the program that is started here.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidegate.spec.errors import InternalError, NeedsPerson, RetryLater, TidegateError

SHIM = Path(__file__).with_name("shim.py")
TIMEOUT = 30.0
KEPT = ("HOME", "LANG", "PATH", "LD_LIBRARY_PATH")
"""What a server sees of the controller's own environment: its secrets stay with it."""


def environment(path: Sequence[str]) -> dict[str, str]:
    """The environment of every server before its own variables are added; the folders `path` come first in PATH."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    folders = [str(Path(folder).expanduser().absolute()) for folder in path]
    return {"LANG": "C.UTF-8", **kept, "PATH": os.pathsep.join([*folders, kept.get("PATH", os.defpath)])}


def free_port(taken: Collection[int]) -> int:
    """A loopback port that nobody listens on, and none of `taken`: one of ours may not listen yet."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def launch(
    folder: Path, command: Sequence[str], env: Mapping[str, str], meta: Mapping[str, Any], boot: str, log_limit: int
) -> None:
    """Run the command in `folder`; it runs, and its state file is written, when this returns. `log_limit` in bytes.

    Raises NeedsPerson (no such program, full disk), RetryLater, or OSError for the folder.
    """
    where = str(meta["name"])
    order = {
        "command": list(command),
        "env": dict(env),
        "cwd": str(folder / "work"),
        "log": str(folder / "log"),
        "log_limit": log_limit,
        "state": str(folder / "state.json"),
        "boot": boot,
        "meta": dict(meta),
    }
    (folder / "work").mkdir(parents=True)
    try:
        # -I -S: neither the environment nor anything installed changes what the shim does.
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(SHIM)],
            input=json.dumps(order).encode(),
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            timeout=TIMEOUT,
        )
    except OSError as error:
        raise _fault(where, command[0], error.errno, error.strerror) from error
    except subprocess.TimeoutExpired as error:
        raise RetryLater(f"was not launched within {TIMEOUT:g} s", where=where, delay=2.0) from error
    if done.returncode:
        try:
            fault = json.loads(done.stderr)
        except ValueError as error:
            told = done.stderr.decode("utf-8", "replace")[-400:]
            raise InternalError(f"the shim failed: {told}", where=where) from error
        raise _fault(where, command[0], fault["errno"], fault["text"])


def _fault(where: str, program: str, number: int | None, text: str | None) -> TidegateError:
    reason = f"cannot run '{program}': {text}"
    match number:
        case errno.ENOENT | errno.EACCES | errno.ENOEXEC | errno.ENOTDIR:
            return NeedsPerson(
                reason,
                where=where,
                fix="correct `runtime.command`, or add its folder to `runtime.path` in tidegate.yaml",
            )
        case errno.ENOSPC | errno.EDQUOT:
            return NeedsPerson(reason, where=where, fix="free disk space for the controller's state folder")
        case _:
            return RetryLater(reason, where=where, delay=2.0)
