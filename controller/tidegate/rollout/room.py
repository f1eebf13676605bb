"""Replicas before weight: asks for what the next share of the traffic takes, and waits until it is ready.

Neighbours: capacity.py counts, progress.py asks before each step and before the promotion. DESIGN section 5.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tidegate.rollout.capacity import seats
from tidegate.rollout.holding import Wait
from tidegate.rollout.state import Hold
from tidegate.rollout.turn import Turn

GRACE: Final = 10.0
"""Seconds for which replicas that are still starting are nobody's concern."""


class Short(NamedTuple):
    """Replicas are wanting. `wait` says so for people, None for as long as that is no news."""

    wait: Wait | None


def enlarge(turn: Turn, share: float) -> None:
    """Have the candidate's replicas carry at least this share of the traffic. They never become fewer in a rollout."""
    candidate = turn.candidate
    if seats(candidate.replicas, share) > seats(candidate.replicas, candidate.room):
        turn.update(room=share)


def wanting(turn: Turn, share: float, what: str) -> Short | None:
    """None when as many replicas are ready as this share takes; else it is not given before they are. `what` takes it."""
    enlarge(turn, share)
    candidate = turn.candidate
    need = seats(candidate.replicas, share)
    if turn.seats_ready(candidate.release, need):
        if candidate.short_since is not None:
            turn.update(short_since=None)
        return None
    if candidate.short_since is None:
        turn.update(short_since=turn.now)
    elif turn.now - candidate.short_since >= GRACE:
        there = turn.seen.replicas.get(candidate.release.workload, 0)
        return Short(Wait(Hold.CAPACITY, f"{there} of the {need} replicas that {what} takes are ready"))
    return Short(None)
