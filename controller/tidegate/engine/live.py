"""What a running controller says of itself once a second: a small file beside the journal, replaced whole.

The journal has what must last; this has what is true now (rates, readiness, problems). Of a large portfolio it has the routes
that move; all of them stand in a second file, replaced seldom. Neighbours: showing.py says what, runner.py writes it,
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
ALL = "live-routes.json"
FRESH = 10.0


def write_live(state: Path, doc: Mapping[str, Any], everything: Mapping[str, Any] | None = None) -> None:
    """Replace the file in one rename, and before it the one with `everything`, where that is given.

    Not flushed to disk: after a crash of the machine nothing in it is true anyway.
    """
    if everything is not None:
        _replace(state, ALL, everything)
    _replace(state, FILE, doc)


def _replace(state: Path, name: str, doc: Mapping[str, Any]) -> None:
    fresh = state / f".{name}.new"  # one name: what a killed controller leaves of it is written over by the next
    try:
        fresh.write_bytes(orjson.dumps(doc))
        fresh.replace(state / name)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def read_live(state: Path) -> dict[str, Any] | None:
    """What the controller wrote last; None when it has never run here, or the machine's crash left nothing of it."""
    doc = _read(state, FILE)
    if doc is None or "moved" not in doc:
        return doc
    everything = _read(state, ALL) or {"routes": [], "instances": []}
    moved = set(doc.pop("moved"))
    others = (route for route in everything["routes"] if route["route"] not in moved)
    routes = sorted([*doc["routes"], *others], key=lambda route: str(route["route"]))
    return {**doc, "routes": routes, "instances": everything["instances"]}


def _read(state: Path, name: str) -> dict[str, Any] | None:
    try:
        doc = orjson.loads((state / name).read_bytes())
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
    return fresh(_read(state, FILE))
