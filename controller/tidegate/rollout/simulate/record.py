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
from tidegate.rollout.state import Pairs
from tidegate.rollout.traffic import WHOLE, Traffic

GRACE: Final = 0.5
"""Seconds after its end at which a window's record is whole: what analysis/batches.py waits for too."""

Arms = tuple[str | None, str]
"""The digests of the stable release (None: nobody is beside the other) and of the one that is judged."""


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
    closed_pairs: list[Pairs] = field(default_factory=list)
    _pairs: tuple[int, int] = (0, 0)

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
        arms: Arms,
        playing: Mapping[str, Actor],
        at: float,
    ) -> None:
        """`seconds` of traffic into the running window. `playing`: the ready releases by digest; others only fail."""
        parts = [*segments.items(), (None, 1.0 - sum(segments.values()))]
        stable, trial = arms
        for segment, part in parts:
            requests = self.arrivals.count(rate * part, seconds)
            share = traffic.share(trial, segment)
            theirs = self.arrivals.split(requests, share)
            rest = requests - theirs if stable is not None and traffic.share(stable, segment) else 0
            drawn = (self._arm(stable, rest, playing, at), self._arm(trial, theirs, playing, at))
            before = self._arms.get(segment, (Arm(), Arm()))
            self._arms[segment] = (_both(before[0], drawn[0]), _both(before[1], drawn[1]))
            self._shares[segment] = share
            self._mirror(rest, traffic, (stable, trial), playing, at)

    def _mirror(self, rest: int, traffic: Traffic, arms: Arms, playing: Mapping[str, Actor], at: float) -> None:
        """Copies of stable's requests to the candidate. A pair agrees when both answer, and alike."""
        stable, trial = arms
        one, other = playing.get(stable or ""), playing.get(trial)
        if not traffic.mirror or one is None or other is None:
            return
        pairs = self.arrivals.split(rest, traffic.mirror / WHOLE)
        alike = other.agreement * (1 - one.manner(at).error_rate) * (1 - other.manner(at).error_rate)
        self._pairs = (self._pairs[0] + pairs, self._pairs[1] + self.arrivals.split(pairs, alike))

    def close(self, t: float) -> None:
        """End the running window at `t`: full, or cut by a weight change. The next one begins."""
        self.closed += self._batches(t, complete=True)
        if self._pairs[0]:
            self.closed_pairs.append(Pairs(self.opened, t, *self._pairs))
        self.next_id += len(self._arms)
        self.drop(t)

    def drop(self, t: float) -> None:
        """Begin a window at `t`; what the running one holds is lost."""
        self._arms, self._shares, self._pairs, self.opened = {}, {}, (0, 0), t

    def take(self, t: float) -> tuple[Batch, ...]:
        """The closed batches that can be read by `t` and that nobody has taken yet."""
        taken = tuple(batch for batch in self.closed if batch.end + GRACE <= t)
        self.closed = self.closed[len(taken) :]
        return taken

    def take_pairs(self, t: float) -> tuple[Pairs, ...]:
        """The closed windows of mirrored requests that can be read by `t` and that nobody has taken yet."""
        taken = tuple(window for window in self.closed_pairs if window.end + GRACE <= t)
        self.closed_pairs = self.closed_pairs[len(taken) :]
        return taken

    @property
    def readable(self) -> set[float]:
        """When the closed batches can be read."""
        return {end + GRACE for end in (*(b.end for b in self.closed), *(p.end for p in self.closed_pairs))}

    def open(self, t: float) -> tuple[Batch, ...]:
        """The running window as it stands."""
        return tuple(self._batches(t, complete=False))

    def _batches(self, t: float, complete: bool) -> list[Batch]:
        return [
            Batch(self.next_id + i, self.opened, t, stable, trial, segment, self._shares[segment], complete)
            for i, (segment, (stable, trial)) in enumerate(self._arms.items())
            if stable.requests or trial.requests
        ]

    def _arm(self, digest: str | None, requests: int, playing: Mapping[str, Actor], at: float) -> Arm:
        actor = playing.get(digest or "")
        if actor is None:
            return self.arrivals.broken(requests)
        return self.arrivals.arm(actor.name, requests, actor.manner(at))


def _both(one: Arm, other: Arm) -> Arm:
    names = {**one.scores, **other.scores}
    scores = {name: one.scores.get(name, ()) + other.scores.get(name, ()) for name in names}
    return Arm(one.requests + other.requests, one.errors + other.errors, add(one.latency, other.latency), scores)
