"""The state machine of a route: `advance` takes the state and what was seen, and gives the next state and its events.

Pure, and level-triggered: same inputs, same outputs; the state is all there is, so a restart at any instant goes on.
Neighbours: the engine calls this for each route in each pass; one module a concern below. DESIGN section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.rollout.evidence import compare, gather
from tidegate.rollout.finish import fulfilled, release_standbys
from tidegate.rollout.intake import intake
from tidegate.rollout.prepare import prepare, validate, watch_stable
from tidegate.rollout.progress import go_on
from tidegate.rollout.state import Advance, RouteState, Seen
from tidegate.rollout.turn import Turn
from tidegate.rollout.watch import watch_promoted

__all__ = ["advance", "fulfilled"]

_OF_THE_ROUTE: Final[tuple[Callable[[Turn], None], ...]] = (release_standbys, intake, watch_stable, watch_promoted)
_OF_THE_CANDIDATE: Final[tuple[Callable[[Turn], None], ...]] = (prepare, validate, gather, compare, go_on)


def advance(state: RouteState, seen: Seen, now: float) -> Advance:
    """One pass over one route. `now` in epoch seconds. Raises InternalError on an illegal transition."""
    turn = Turn(state, seen, now)
    for concern in _OF_THE_ROUTE:
        concern(turn)
    for concern in _OF_THE_CANDIDATE:
        if turn.state.candidate is not None:
            concern(turn)
    if turn.state.candidate is not None:
        turn.keep_verdict(turn.candidate)
    return Advance(turn.state, tuple(turn.events), tuple(turn.verdicts.items()))
