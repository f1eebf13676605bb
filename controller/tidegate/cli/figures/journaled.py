"""A trial of the journal as the story of a figure: its evidence, its steps and holds, and what became of it.

Neighbours: `history --plot` reads the journal, drawn.py and terminal.py draw this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tidegate.cli.figures.story import Mark, Story
from tidegate.engine.trail import Trail

MARKED: Final = ("step", "held", "resumed")
ENDS: Final = ("promoted", "fast_rollback", "rolled_back", "superseded")


def story(
    route: str, trial: Mapping[str, Any], events: Iterable[Mapping[str, Any]], state: Mapping[str, Any] | None
) -> Story:
    """`trial` as `Reader.trails` has it, `events` of the route in order, `state` the route's own as it was journaled."""
    began, trail = trial["began"], Trail.from_doc(trial["trail"])
    mine = [event for event in events if event["release"] == trial["release"] and event["at"] >= began - 1e-6]
    end = next((event for event in mine if event["kind"] in ENDS), None)
    if end is not None:
        mine = [event for event in mine if event["at"] <= end["at"]]
    ended = max([began, *(point[0] for point in trail.points), *([end["at"]] if end is not None else [])])
    version = next((event["version"] for event in mine), trial["release"])
    verdict, sentence = (end["kind"], end["reason"]) if end is not None else ("so far", _so_far(state))
    marks = tuple(Mark(event["at"], _label(event)) for event in mine if event["kind"] in MARKED)
    return Story(f"{route} {version}", verdict, sentence, trail, began, ended, marks)


def _label(event: Mapping[str, Any]) -> str:
    if event["kind"] == "step":
        share = event["weights"].get(event["release"], 0)
        return f"{event['step']} {share:g} %"
    return str(event["kind"])


def _so_far(state: Mapping[str, Any] | None) -> str:
    """The sentence of the verdict on a candidate under way."""
    candidate = (state or {}).get("candidate") or {}
    return str((candidate.get("verdict") or {}).get("sentence") or "no verdict yet")
