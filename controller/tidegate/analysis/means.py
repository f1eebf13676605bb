"""Tests of mean scores in [0, 1], against stable or against a fixed limit: rates.py for values that are not counts.

Neighbours: scores.py is the betting; guards.py owns the tests. Invalid outputs (NaN, outside [0, 1]) are left out of a
rollback's evidence and taken as the worst score in a promotion's, so that they never help a candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tidegate.analysis.bounds import mean_reach
from tidegate.analysis.counts import COMMON_AFTER
from tidegate.analysis.metrics import Metric
from tidegate.analysis.rates import KEPT, Look, Row, mix
from tidegate.analysis.scopes import by_place
from tidegate.analysis.scores import Floats, Line, ScoresTest, line
from tidegate.spec.policy import LOW_IS_BAD


@dataclass(frozen=True, slots=True)
class MeanStrand:
    """Stable's scores in one segment so far, and the test against that record once there are no more of them."""

    n: int = 0
    total: float = 0.0
    record: ScoresTest | None = None


def _sample(metric: Metric, limit_name: str, side: int, look: Look) -> tuple[Floats, Floats]:
    """Stable's scores and the candidate's; for promotion the candidate's invalid outputs count as the worst."""
    stable, candidate = metric.scores(look.batch.stable), metric.scores(look.batch.candidate)
    if side < 0:
        invalid = len(look.batch.candidate.scores.get(metric.name, ())) - len(candidate)
        worst = 0.0 if limit_name in LOW_IS_BAD else 1.0
        candidate = np.concatenate((candidate, np.full(invalid, worst)))
    return stable, candidate


def _test(claim: Line, side: int) -> ScoresTest:
    """Against the claim, with later starts, for a rollback; against its opposite for a promotion."""
    return ScoresTest(claim, renews=True) if side > 0 else ScoresTest(claim.flipped())


def _sums(metric: Metric, look: Look) -> Row:
    candidate, stable = metric.scores(look.batch.candidate), metric.scores(look.batch.stable)
    return len(candidate), float(candidate.sum()), len(stable), float(stable.sum())


@dataclass(frozen=True, slots=True)
class MeanRelative:
    """Against stable. Side +1: within the limit (rollback); side -1: beyond the margin (promotion)."""

    metric: Metric
    limit_name: str
    limit: float
    side: int
    delta: float
    concurrent: ScoresTest
    strands: Mapping[str | None, MeanStrand] = field(default_factory=dict)

    @classmethod
    def new(cls, metric: Metric, limit_name: str, limit: float, side: int, delta: float) -> MeanRelative:
        """A fresh test. `delta` is the chance that the record's bound may be wrong."""
        claim = line(limit_name, limit, metric.bounds)
        return cls(metric, limit_name, limit, side, delta, _test(claim, side))

    @property
    def log_e(self) -> float:
        """log E: mostly the concurrent test, a twentieth against the record."""
        record = sum(strand.record.log_e for strand in self.strands.values() if strand.record)
        return mix((1 - KEPT, self.concurrent.log_e), (KEPT, record))

    def after(self, other: MeanRelative) -> MeanRelative:
        """This fresh test with the other's record of stable."""
        return replace(self, strands={segment: replace(one, record=None) for segment, one in other.strands.items()})

    def row(self, look: Look) -> Row | None:
        """Number and sum of the scores of both arms."""
        return _sums(self.metric, look)

    def broken(self, row: Row) -> tuple[bool, bool | None]:
        """Is the limit broken in plain numbers, by the candidate, and by stable (which cannot break a relative one)?"""
        n_c, x_c, n_b, x_b = row
        if not n_c or not n_b:
            return False, None
        claim = line(self.limit_name, self.limit, self.metric.bounds)
        return claim.slope * x_b / n_b + claim.offset + claim.sign * x_c / n_c > 0, None

    def absorb(self, look: Look) -> MeanRelative:
        """With one batch more."""
        segment = look.batch.segment
        strand = self.strands.get(segment) or MeanStrand()
        stable, candidate = _sample(self.metric, self.limit_name, self.side, look)
        if look.alone:
            strand = self._against_record(strand, candidate)
        concurrent = self.concurrent.absorb(stable, candidate)
        strand = replace(strand, n=strand.n + len(stable), total=strand.total + float(stable.sum()))
        return replace(self, concurrent=concurrent, strands={**self.strands, segment: strand})

    def state(self) -> dict[str, Any]:
        """What changes, as JSON-safe values."""
        strands = [[s, t.n, t.total, t.record.to_doc() if t.record else None] for s, t in self.strands.items()]
        return {"concurrent": self.concurrent.to_doc(), "strands": strands}

    def with_state(self, doc: Mapping[str, Any]) -> MeanRelative:
        """This test as `state` found it."""
        strands = {s: MeanStrand(n, x, ScoresTest.from_doc(r) if r else None) for s, n, x, r in doc["strands"]}
        return replace(self, concurrent=ScoresTest.from_doc(doc["concurrent"]), strands=strands)

    def _against_record(self, strand: MeanStrand, candidate: Floats) -> MeanStrand:
        if strand.record is None:
            if strand.n < COMMON_AFTER:
                return strand
            claim = self.concurrent.claim
            records = sum(1 for one in self.strands.values() if one.record is not None)
            reach = mean_reach(strand.n, self.delta * by_place(records))
            reference = strand.total / strand.n - (reach if claim.slope > 0 else -reach)
            fixed = Line(0.0, claim.offset + claim.slope * min(max(reference, 0.0), 1.0), claim.sign)
            strand = replace(strand, record=ScoresTest(fixed, self.side > 0))
        record = strand.record
        return strand if record is None else replace(strand, record=record.absorb(np.zeros(0), candidate))


@dataclass(frozen=True, slots=True)
class MeanAbsolute:
    """The candidate against a fixed mean; for a rollback also against stable, as RateAbsolute does, and why."""

    metric: Metric
    limit_name: str
    limit: float
    side: int
    together: ScoresTest
    companion: ScoresTest
    solo: ScoresTest | None

    @classmethod
    def new(cls, metric: Metric, limit_name: str, limit: float, side: int) -> MeanAbsolute:
        """A fresh test."""
        claim = line(limit_name, limit, metric.bounds)
        test = _test(claim, side)
        beside = _test(line("max_drop" if limit_name == "min" else "max_increase", 0.0), 1)
        return cls(metric, limit_name, limit, side, test, beside, test if side > 0 else None)

    @property
    def log_e(self) -> float:
        """log E."""
        if self.solo is None:
            return self.together.log_e
        return mix((1 - KEPT, min(self.together.log_e, self.companion.log_e)), (KEPT, self.solo.log_e))

    def row(self, look: Look) -> Row | None:
        """Number and sum of the scores of both arms."""
        return _sums(self.metric, look)

    def broken(self, row: Row) -> tuple[bool, bool | None]:
        """Is the limit broken in plain numbers, by the candidate, and by stable (None without any score)?"""
        n_c, x_c, n_b, x_b = row
        claim = line(self.limit_name, self.limit, self.metric.bounds)
        over = [claim.offset + claim.sign * x / n > 0 if n else None for n, x in ((n_c, x_c), (n_b, x_b))]
        return bool(over[0]), over[1]

    def absorb(self, look: Look, *, excused: bool = False) -> MeanAbsolute:
        """With one batch more. `excused`: stable broke the limit lately, so it says nothing of the candidate."""
        stable, candidate = _sample(self.metric, self.limit_name, self.side, look)
        none = np.zeros(0)
        if self.solo is None:
            return replace(self, together=self.together.absorb(none, candidate))
        if look.alone:
            return replace(self, solo=self.solo.absorb(none, candidate))
        together = self.together
        if not excused and self.broken(_sums(self.metric, look))[1] is not True:
            together = together.absorb(none, candidate)
        return replace(self, together=together, companion=self.companion.absorb(stable, candidate))

    def state(self) -> dict[str, Any]:
        """What changes, as JSON-safe values."""
        solo = self.solo.to_doc() if self.solo else None
        return {"together": self.together.to_doc(), "companion": self.companion.to_doc(), "solo": solo}

    def with_state(self, doc: Mapping[str, Any]) -> MeanAbsolute:
        """This test as `state` found it."""
        return replace(
            self,
            together=ScoresTest.from_doc(doc["together"]),
            companion=ScoresTest.from_doc(doc["companion"]),
            solo=ScoresTest.from_doc(doc["solo"]) if doc["solo"] else None,
        )
