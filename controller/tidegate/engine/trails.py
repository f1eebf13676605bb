"""The evidence of each trial over time, kept in the journal beside the states: what `history --plot` draws.

Neighbours: trail.py thins the points, journaling.py asks this in each pass and writes it in its own transaction.
"""

from __future__ import annotations

import math

from tidegate.analysis.model import Verdict
from tidegate.engine.trail import Trail
from tidegate.journal.journal import Journal, Transaction
from tidegate.rollout.state import Advance, Candidate, RouteState

EVERY = 10.0
"""Seconds between two writings of one trial, unless something happened to it."""

Key = tuple[str, str, float]
"""Route, short release id, and when the trial's first step began (epoch seconds)."""


class Trails:
    """Called by the loop alone. What is lost by a kill are seconds of a picture."""

    def __init__(self, journal: Journal) -> None:
        self._trails: dict[str, tuple[Key, Trail]] = {
            one["route"]: ((one["route"], one["release"], one["began"]), Trail.from_doc(one["trail"]))
            for one in journal.last_trails()
        }
        self._last: dict[str, float] = {}
        self._written: dict[str, float] = {}
        self._due: set[str] = set()

    def decided(self, route: str, before: RouteState, step: Advance) -> None:
        """Take in the verdict that a pass went by, when it is a new one."""
        candidate = step.state.candidate or before.candidate
        if candidate is None or candidate.traffic_since is None:
            return
        said = dict(step.verdicts).get(candidate.release.id)
        if said is None or said.at == self._last.get(route):
            return
        self._last[route] = said.at
        self._trail(route, candidate).add(
            said.at, said.requests - said.candidate_requests, said.candidate_requests, _log_es(said)
        )
        if step.events or said.at - self._written.get(route, -math.inf) >= EVERY:
            self._due.add(route)
            self._written[route] = said.at

    def put(self, transaction: Transaction) -> None:
        """Write what is due, in the transaction of the states that it belongs to."""
        for route in self._due:
            key, trail = self._trails[route]
            transaction.put_trail(*key, trail.to_doc())

    def saved(self) -> None:
        """It is on disk."""
        self._due.clear()

    def _trail(self, route: str, candidate: Candidate) -> Trail:
        """The trial's trail; another trial begins a new one, and so does a policy that judges otherwise."""
        key = (route, candidate.release.id, candidate.traffic_since or 0.0)
        fresh = Trail.of(candidate.policy)
        known, trail = self._trails.get(route, (key, fresh))
        if known != key or (trail.lines, trail.alpha) != (fresh.lines, fresh.alpha):
            trail = fresh
        self._trails[route] = (key, trail)
        return trail


def _log_es(said: Verdict) -> list[float]:
    return [math.log(one.e) if one.e > 0 else -math.inf for one in said.judgements]
