"""Who has a file open, asked of /proc while processes open and close others all the time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tidegate.gateway.process import has_open

HOLDER = """
import os, sys
others = [os.open(os.devnull, os.O_RDONLY) for _ in range(40)]
file = open(sys.argv[1], "ab")
print("open", flush=True)
while True:
    for number in others:
        os.close(number)
    others = sorted(os.open(os.devnull, os.O_RDONLY) for _ in others)
"""


def test_a_file_is_open_however_many_others_come_and_go(tmp_path: Path) -> None:
    """As in a gateway, whose connections come and go before the record among its descriptors."""
    file = tmp_path / "record.jsonl"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(file)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == b"open\n"
            assert [has_open(file) for _ in range(60)] == [True] * 60
        finally:
            holder.kill()
    assert not has_open(file)
