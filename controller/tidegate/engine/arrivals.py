"""What other sources say of a trial's releases, as batches: labels by arrival, and readings as they come.

A label is compared with those of requests that were answered under the same weights, and counts in the window in which it
arrives; those of requests from before the trial are left out of both arms. Neighbours: evidence.py has one for each trial.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.analysis.model import Arm, Batch

Scores = dict[str, list[float]]
Key = tuple[str | None, int]
"""A stratum: the segment, and the number of weight changes before the request."""
ALL = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class Shown:
    """What one arm showed of a metric at one look: a value, or counts (total, events) since the look before."""

    metric: str
    value: float | None = None
    counts: tuple[int, int] | None = None


@dataclass(slots=True)
class Arrivals:
    """One trial's. `since`: what was answered or measured before is left out (epoch seconds).

    `cuts`: weight changes; `shares`: before the first and after each, the candidate's share by segment, '' for the rest.
    """

    since: float
    length: float
    shares: list[dict[str, float]]
    cuts: list[float] = field(default_factory=list)
    _opened: float | None = None
    _strata: dict[Key, tuple[Scores, Scores]] = field(default_factory=dict)
    _looks: list[tuple[Shown | None, Shown | None]] = field(default_factory=list)

    def steer(self, at: float, shares: Mapping[str, float]) -> None:
        """The candidate has these shares, `at` a moment and from then on."""
        if shares != self.shares[-1]:
            self.cuts.append(at)
            self.shares.append(dict(shares))

    def cut_between(self, start: float, end: float) -> bool:
        """Whether the weights changed after `start`, up to `end`."""
        return bisect_right(self.cuts, start) != bisect_right(self.cuts, end)

    def label(
        self, now: float, *, candidate: bool, segment: str | None, metric: str, value: float, answered: float
    ) -> None:
        """A label that arrived `now` for a request `answered` then."""
        if answered < self.since:
            return
        self._opened = now if self._opened is None else self._opened
        pair = self._strata.setdefault((segment, bisect_right(self.cuts, answered)), ({}, {}))
        pair[candidate].setdefault(metric, []).append(value)

    def shown(self, stable: Shown | None, candidate: Shown | None) -> None:
        """What both arms showed at one look."""
        if stable is not None or candidate is not None:
            self._looks.append((stable, candidate))

    def take(self, now: float, horizon: float, first_id: int) -> list[Batch]:
        """The looks so far, and the labels once their window is over. `horizon`: the record's windows are closed up to
        then, so that these batches lie between them. Ids from `first_id` on."""
        newest = len(self.cuts)
        pairs: list[tuple[Key, Arm, Arm]] = [((None, newest), _outcome(b), _outcome(c)) for b, c in self._looks]
        self._looks = []
        if self._opened is not None and not 0 <= now - self._opened < self.length:
            pairs += [(key, _arm(b), _arm(c)) for key, (b, c) in sorted(self._strata.items(), key=_order)]
            self._strata, self._opened = {}, None
        return [
            Batch(first_id + i, horizon, horizon, stable, candidate, key[0], share=self._alone(key))
            for i, (key, stable, candidate) in enumerate(pairs)
        ]

    def _alone(self, key: Key) -> float | None:
        """1 where the candidate had all of these requests, so that nothing of stable's is to come; else not said."""
        segment, era = key
        shares = self.shares[era]
        return 1.0 if shares.get(segment or "", shares.get("", 0.0)) >= ALL else None

    def shift(self, by: float) -> None:
        """The wall clock was set back (`by` negative, seconds)."""
        self.since += by
        self.cuts = [at + by for at in self.cuts]
        self._opened = self._opened + by if self._opened is not None else None

    def to_doc(self) -> dict[str, Any]:
        """Everything, as JSON-safe values. Looks are taken in the pass in which they come, so there are none."""
        return {
            "since": self.since, "length": self.length, "shares": self.shares, "cuts": self.cuts, "opened": self._opened,
            "strata": [[segment, era, b, c] for (segment, era), (b, c) in self._strata.items()],
        }  # fmt: skip

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Arrivals:
        """The arrivals that `to_doc` wrote."""
        strata = {(s, era): ({m: list(v) for m, v in b.items()}, {m: list(v) for m, v in c.items()})
                  for s, era, b, c in doc["strata"]}  # fmt: skip
        shares = [dict(era) for era in doc["shares"]]
        return cls(doc["since"], doc["length"], shares, list(doc["cuts"]), doc["opened"], strata)


def _outcome(shown: Shown | None) -> Arm:
    """Outcomes without requests: those are counted by the gateway's record alone."""
    if shown is None:
        return Arm()
    scores = {shown.metric: (shown.value,)} if shown.value is not None else {}
    return Arm(scores=scores, counts={shown.metric: shown.counts} if shown.counts is not None else {})


def _arm(scores: Scores) -> Arm:
    return Arm(scores={metric: tuple(values) for metric, values in scores.items()})


def _order(item: tuple[Key, object]) -> tuple[str, int]:
    (segment, era), _ = item
    return segment or "", era
