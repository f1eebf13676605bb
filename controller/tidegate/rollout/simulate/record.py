"""The prediction record of a simulated gateway, already in batches: cut at every weight change, empty windows left out.

Neighbours: arrivals.py draws the requests; run.py says when time passes and hands the batches to the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    _late: list[tuple[float, Arms, Batch]] = field(default_factory=list)
    _trial: Arms = (None, "")
    _after: dict[str, float] = field(default_factory=dict)
    _pairs: Pairs | None = None

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
        stable, trial = self._trial = arms
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
        """Copies of stable's requests to the candidate. A pair agrees when the shadow answers, and alike; where stable
        failed there is nothing to agree with."""
        stable, trial = arms
        one, other = playing.get(stable or ""), playing.get(trial)
        if not traffic.mirror or one is None or other is None:
            return
        copies = self.arrivals.split(rest, traffic.mirror / WHOLE)
        missing = self.arrivals.split(copies, other.missing)
        theirs = self.arrivals.arm(one.name, copies - missing, one.manner(at))
        ours = self.arrivals.arm(other.name, copies - missing, other.manner(at))
        pairs = copies - missing - theirs.errors
        agreed = self.arrivals.split(pairs, other.agreement * (1 - other.manner(at).error_rate))
        before = self._pairs or Pairs(self.opened, self.opened, 0, 0)
        self._pairs = Pairs(
            self.opened, self.opened, before.pairs + pairs, before.agreed + agreed, before.missing + missing,
            _both(before.stable, theirs), _both(before.shadow, ours),
        )  # fmt: skip

    def close(self, t: float) -> None:
        """End the running window at `t`: full, or cut by a weight change. The next one begins."""
        for batch in self._batches(t, complete=True):
            now, late = self._split(batch)
            self.closed.append(now)
            self._late += [(t + after, self._trial, scores) for after, scores in late]
        if self._pairs is not None:
            self.closed_pairs.append(replace(self._pairs, end=t))
        self.drop(t)

    def _split(self, batch: Batch) -> tuple[Batch, list[tuple[float, Batch]]]:
        """What is known of a window at once, and the scores that come later: without requests, those were counted."""
        arms = (batch.stable, batch.candidate)
        moments = sorted({self._after[name] for arm in arms for name in arm.scores if self._after.get(name)})
        alone = 1.0 if batch.share is not None and batch.share >= 1 else None

        def kept(arm: Arm, after: float) -> dict[str, tuple[float, ...]]:
            return {name: of for name, of in arm.scores.items() if self._after.get(name, 0.0) == after}

        stable, candidate = (replace(arm, scores=kept(arm, 0.0)) for arm in arms)
        late = [
            (
                after,
                replace(
                    batch,
                    stable=Arm(scores=kept(arms[0], after)),
                    candidate=Arm(scores=kept(arms[1], after)),
                    share=alone,
                ),
            )
            for after in moments
        ]
        return replace(batch, stable=stable, candidate=candidate), late

    def drop(self, t: float) -> None:
        """Begin a window at `t`; what the running one holds is lost."""
        self._arms, self._shares, self._pairs, self.opened = {}, {}, None, t

    def take(self, t: float) -> tuple[Batch, ...]:
        """The closed batches that can be read by `t` and that nobody has taken yet."""
        ready = [batch for batch in self.closed if batch.end + GRACE <= t]
        self.closed = self.closed[len(ready) :]
        due = [(at, arms, batch) for at, arms, batch in self._late if at <= t]
        self._late = [late for late in self._late if late[0] > t]
        ready += [replace(batch, start=at, end=at) for at, arms, batch in due if arms == self._trial]
        taken = tuple(replace(batch, id=self.next_id + i) for i, batch in enumerate(ready))
        self.next_id += len(taken)
        return taken

    def take_pairs(self, t: float) -> tuple[Pairs, ...]:
        """The closed windows of mirrored requests that can be read by `t` and that nobody has taken yet."""
        taken = tuple(window for window in self.closed_pairs if window.end + GRACE <= t)
        self.closed_pairs = self.closed_pairs[len(taken) :]
        return taken

    @property
    def readable(self) -> set[float]:
        """When the closed batches can be read."""
        ends = (*(b.end for b in self.closed), *(p.end for p in self.closed_pairs))
        return {end + GRACE for end in ends} | {at for at, _, _ in self._late}

    def open(self, t: float) -> tuple[Batch, ...]:
        """The running window as it stands."""
        return tuple(self._split(batch)[0] for batch in self._batches(t, complete=False))

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
        manner = actor.manner(at)
        self._after |= {name: score.after for name, score in manner.scores.items()}
        return self.arrivals.arm(actor.name, requests, manner)


def _both(one: Arm, other: Arm) -> Arm:
    names = {**one.scores, **other.scores}
    scores = {name: one.scores.get(name, ()) + other.scores.get(name, ()) for name in names}
    return Arm(one.requests + other.requests, one.errors + other.errors, add(one.latency, other.latency), scores)
