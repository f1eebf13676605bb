"""The prediction record of a simulated gateway, already in batches: cut at every weight change, empty windows left out.

Neighbours: arrivals.py draws the requests; run.py says when time passes and hands the batches to the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tidegate.analysis.latency import add
from tidegate.analysis.model import Arm, Batch
from tidegate.rollout.simulate.arrivals import Arrivals
from tidegate.rollout.simulate.behaviour import Actor
from tidegate.rollout.traffic import Traffic

GRACE: Final = 0.5
"""Seconds after its end at which a window's record is whole: what analysis/batches.py waits for too."""


@dataclass(slots=True)
class Record:
    """The running window: since when, and both arms by segment. Times in seconds of the virtual clock."""

    arrivals: Arrivals
    length: float
    opened: float = 0.0
    next_id: int = 0
    closed: list[Batch] = field(default_factory=list)
    _arms: dict[str | None, tuple[Arm, Arm]] = field(default_factory=dict)
    _shares: dict[str | None, float] = field(default_factory=dict)

    @property
    def ends(self) -> float:
        """When the running window is full."""
        return self.opened + self.length

    def draw(
        self,
        seconds: float,
        rate: float,
        segments: Mapping[str, float],
        traffic: Traffic,
        playing: Mapping[str, Actor],
        at: float,
    ) -> None:
        """`seconds` of traffic into the running window. `playing`: the ready releases by digest; others only fail."""
        parts = [*segments.items(), (None, 1.0 - sum(segments.values()))]
        stable = next((arm.release for arm in traffic.arms if arm.role == "stable"), None)
        trial = next((arm.release for arm in traffic.arms if arm.role == "candidate"), None)
        if trial is None or stable is None:
            return
        for segment, part in parts:
            requests = self.arrivals.count(rate * part, seconds)
            share = traffic.share(trial.digest, segment)
            theirs = self.arrivals.split(requests, share)
            kept = traffic.share(stable.digest, segment)
            rest = requests - theirs if kept else 0
            arms = (self._arm(stable.digest, rest, playing, at), self._arm(trial.digest, theirs, playing, at))
            before = self._arms.get(segment, (Arm(), Arm()))
            self._arms[segment] = (_both(before[0], arms[0]), _both(before[1], arms[1]))
            self._shares[segment] = share

    def close(self, t: float) -> None:
        """End the running window at `t`: full, or cut by a weight change. The next one begins."""
        self.closed += self._batches(t, complete=True)
        self.next_id += len(self._arms)
        self.drop(t)

    def drop(self, t: float) -> None:
        """Begin a window at `t`; what the running one holds is lost."""
        self._arms, self._shares, self.opened = {}, {}, t

    def take(self, t: float) -> tuple[Batch, ...]:
        """The closed batches that can be read by `t` and that nobody has taken yet."""
        taken = tuple(batch for batch in self.closed if batch.end + GRACE <= t)
        self.closed = self.closed[len(taken) :]
        return taken

    @property
    def readable(self) -> set[float]:
        """When the closed batches can be read."""
        return {batch.end + GRACE for batch in self.closed}

    def open(self, t: float) -> tuple[Batch, ...]:
        """The running window as it stands."""
        return tuple(self._batches(t, complete=False))

    def _batches(self, t: float, complete: bool) -> list[Batch]:
        return [
            Batch(self.next_id + i, self.opened, t, stable, trial, segment, self._shares[segment], complete)
            for i, (segment, (stable, trial)) in enumerate(self._arms.items())
            if stable.requests or trial.requests
        ]

    def _arm(self, digest: str, requests: int, playing: Mapping[str, Actor], at: float) -> Arm:
        actor = playing.get(digest)
        if actor is None:
            return self.arrivals.broken(requests)
        return self.arrivals.arm(actor.name, requests, actor.manner(at))


def _both(one: Arm, other: Arm) -> Arm:
    names = {**one.scores, **other.scores}
    scores = {name: one.scores.get(name, ()) + other.scores.get(name, ()) for name in names}
    return Arm(one.requests + other.requests, one.errors + other.errors, add(one.latency, other.latency), scores)
