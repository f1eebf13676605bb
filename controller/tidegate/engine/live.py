"""What a running controller says of itself once a second: a small file beside the journal, replaced whole.

The journal has what must last; this has what is true now (rates, readiness, problems). Neighbours: loop.py writes it,
`status`, `doctor` and the demo read it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

FILE = "live.json"
FRESH = 10.0


def write_live(state: Path, doc: Mapping[str, Any]) -> None:
    """Replace the file in one rename. Not flushed to disk: after a crash of the machine nothing in it is true anyway."""
    fresh = state / f".{FILE}.new"  # one name: what a killed controller leaves of it is written over by the next
    try:
        fresh.write_bytes(orjson.dumps(doc))
        fresh.replace(state / FILE)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def read_live(state: Path) -> dict[str, Any] | None:
    """What the controller wrote last; None when it has never run here, or the machine's crash left nothing of it."""
    try:
        doc = orjson.loads((state / FILE).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return doc if isinstance(doc, dict) else None


def fresh(doc: Mapping[str, Any] | None) -> bool:
    """True when the controller that wrote it still runs and wrote it a moment ago."""
    if doc is None or time.time() - float(doc["at"]) > FRESH:
        return False
    try:
        os.kill(int(doc["pid"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def controller_alive(state: Path) -> bool:
    """True when a controller runs on this state folder."""
    return fresh(read_live(state))
