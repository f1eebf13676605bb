"""Which process is that? A pid alone may be anybody's after a while; boot, start time and a marker say whose it is.

Neighbours: process.py asks before it believes or signals anything. Linux only.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

PROC = Path("/proc")
MARKER = "TIDEGATE_PROCESS"


def boot_id() -> str:
    """One text for each boot of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def is_alive(pid: int, started: int, marker: str) -> bool:
    """True while the very process runs that began at `started` (clock ticks since boot) with our marker.

    A zombie is dead; where it is our own child (as process 1 of a container) it is laid to rest here.
    """
    try:
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        if int(fields[19]) != started:
            return False
        if fields[0] in (b"Z", b"X"):
            with contextlib.suppress(ChildProcessError):  # it is somebody else's child
                os.waitpid(pid, os.WNOHANG)
            return False
        return _has_marker(pid, marker)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False  # gone, or another user's: not ours in either case


def end_marked(marker: str) -> int:
    """Kill whatever still runs with this marker, such as workers that outlived their server; how many there were."""
    ended = 0
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                descriptor = os.pidfd_open(int(folder.name))
                try:
                    if _has_marker(int(folder.name), marker):
                        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                        ended += 1
                finally:
                    os.close(descriptor)
    return ended


def _has_marker(pid: int, marker: str) -> bool:
    return f"{MARKER}={marker}".encode() in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
