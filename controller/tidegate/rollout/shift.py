"""A route's state on a wall clock that was set back: every moment in it moves along, so that no timer stands still. Pure.

Neighbours: state.py has the moments; the engine's loop notices the jump and moves its windows of evidence as well.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final, TypeVar

from tidegate.rollout.state import Candidate, RouteState, Watch

T = TypeVar("T", Candidate, Watch)

MOMENTS: Final = frozenset({
    "started_at", "step_started_at", "hold_since", "no_data_since", "waiting_since", "traffic_since", "calm_since", "short_since",
    "since", "until", "begun", "read_to",
})  # fmt: skip
"""The fields of a candidate and of a watch that are epoch seconds. A moment of 0 is none."""


def shifted(state: RouteState, by: float) -> RouteState:
    """The state with all of its moments `by` seconds later (earlier: negative). What is over stays as it was told."""
    return replace(
        state,
        candidate=_moved(state.candidate, by) if state.candidate is not None else None,
        watch=_moved(state.watch, by) if state.watch is not None else None,
        standby=tuple(replace(standby, until=standby.until + by) for standby in state.standby),
        absent_since=state.absent_since + by if state.absent_since is not None else None,
    )


def _moved(part: T, by: float) -> T:
    names = MOMENTS.intersection(field.name for field in fields(part))
    return replace(part, **{name: getattr(part, name) + by for name in names if getattr(part, name)})
