"""Tests of rates: errors, invalid outputs, and latency tails, against stable or against a fixed limit.

Neighbours: counts.py, onearm.py and dispersion.py are the parts; guards.py owns them; means.py is the same for scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.analysis.bounds import rate_lower, rate_upper
from tidegate.analysis.counts import COMMON, COMMON_AFTER, CountsTest, odds_limit
from tidegate.analysis.dispersion import Dispersion
from tidegate.analysis.intervals import rate_interval
from tidegate.analysis.latency import BUCKETS, Record, edge_at_least, edge_at_most, slower, tail_edge
from tidegate.analysis.metrics import Kind, Metric
from tidegate.analysis.model import Batch
from tidegate.analysis.onearm import OneArm
from tidegate.analysis.scopes import by_place

Row = tuple[float, float, float, float]
"""Candidate's requests and events (or sum of scores), then stable's, in one window."""

KEPT = 0.05
"""The share of a test's weight that is kept for the time without a concurrent baseline."""
NEGLIGIBLE = 0.001
"""A candidate's event rate shown to be below this excludes any ratio margin: many times nothing is nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """One batch and what was known before it: stable's latencies in this segment; `alone`: no concurrent baseline."""

    batch: Batch
    record: Record
    alone: bool


@dataclass(frozen=True, slots=True)
class Strand:
    """What a test remembers of one segment: stable's counts and dispersion, and the test against that record."""

    dispersion: Dispersion
    n_b: int = 0
    s_b: int = 0
    record: OneArm | None = None
    edge: int | None = None

    def absorb(self, n_b: int, s_b: int) -> Strand:
        """With stable's counts of one batch more."""
        return replace(self, dispersion=self.dispersion.absorb(n_b, s_b), n_b=self.n_b + n_b, s_b=self.s_b + s_b)

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        record = self.record.to_doc() if self.record else None
        return {"phi": self.dispersion.to_doc(), "n_b": self.n_b, "s_b": self.s_b, "record": record, "edge": self.edge}

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Strand:
        """The strand that `to_doc` wrote."""
        record = OneArm.from_doc(doc["record"]) if doc["record"] else None
        return cls(Dispersion.from_doc(doc["phi"]), doc["n_b"], doc["s_b"], record, doc["edge"])


Strands = Mapping[str | None, Strand]


def phi_of(strands: Strands, metric: Metric, segment: str | None) -> float:
    """The dispersion known of a segment before its next batch."""
    return (strands.get(segment) or _fresh(metric)).dispersion.phi


def widest(strands: Strands) -> float:
    """The largest dispersion of all segments; 1 before any batch."""
    return max((strand.dispersion.phi for strand in strands.values()), default=1.0)


def strands_doc(strands: Strands) -> list[list[Any]]:
    """Strands as JSON-safe pairs: a segment's name may be None, which no JSON key can be."""
    return [[segment, strand.to_doc()] for segment, strand in strands.items()]


def strands_of(doc: list[list[Any]]) -> dict[str | None, Strand]:
    """The strands that `strands_doc` wrote."""
    return {segment: Strand.from_doc(strand) for segment, strand in doc}


def _fresh(metric: Metric) -> Strand:
    """Latency tails are spread by construction, so their phi starts at 1; errors start guarded."""
    return Strand(Dispersion(1.0 if metric.kind is Kind.LATENCY else 2.0))


@dataclass(frozen=True, slots=True)
class RateRelative:
    """Against stable. Side +1: H0, at most `factor` times; side -1: H0, at least so many times.

    Where many events are bad, +1 is the rollback's and -1 the promotion's; where few are, the other way round.

    For a latency, `factor` stretches the time: x is stable's own quantile before the batch, and the candidate's
    requests beyond `factor` x are compared with stable's beyond x, at ratio 1. Segments are strata: one effect, each
    its own baseline. Without a concurrent baseline the candidate is judged against the record: the upper (for promotion
    lower) confidence bound of stable's rate in this rollout, times the ratio. `floor`: promotion's "next to none".
    """

    metric: Metric
    factor: float
    side: int
    delta: float
    concurrent: CountsTest
    floor: OneArm | None
    strands: Strands = field(default_factory=dict)

    @classmethod
    def new(cls, metric: Metric, factor: float, side: int, delta: float, *, fall: bool) -> RateRelative:
        """A fresh test. `delta`: the chance that the record's bound may be wrong; `fall`: for a rollback."""
        ratio = 1.0 if metric.kind is Kind.LATENCY else factor
        floored = side < 0 and not fall and metric.kind is not Kind.LATENCY
        floor = OneArm(NEGLIGIBLE, -1) if floored else None
        return cls(metric, factor, side, delta, CountsTest(ratio, side, renews=fall), floor)

    @property
    def log_e(self) -> float:
        """log E: mostly the concurrent test, a twentieth against the record, for promotion one for "next to none"."""
        record = sum(strand.record.log_e for strand in self.strands.values() if strand.record)
        if self.floor is None:
            return mix((1 - KEPT, self.concurrent.log_e), (KEPT, record))
        return mix((1 - 2 * KEPT, self.concurrent.log_e), (KEPT, record), (KEPT, self.floor.log_e))

    def after(self, other: RateRelative) -> RateRelative:
        """This fresh test with the other's record of stable: it says nothing of a limit, so it outlives a change of that."""
        strands = {segment: replace(strand, record=None, edge=None) for segment, strand in other.strands.items()}
        return replace(self, strands=strands)

    def row(self, look: Look) -> Row | None:
        """The counts of both arms that this test compares; None for a latency while stable's own is not known."""
        edges = self._edges(look)
        if edges is None:
            return None
        return (*self.metric.counts(look.batch.candidate, edges[0]), *self.metric.counts(look.batch.stable, edges[1]))

    def broken(self, row: Row) -> tuple[bool, bool | None]:
        """Is the limit broken in plain numbers, by the candidate, and by stable (which cannot break a relative one)?"""
        n_c, s_c, n_b, s_b = row
        return bool(n_c and n_b and self.side * (s_c / n_c - self.concurrent.ratio * s_b / n_b) > 0), None

    def absorb(self, look: Look) -> RateRelative:
        """With one batch more."""
        segment = look.batch.segment
        strand = self.strands.get(segment) or _fresh(self.metric)
        phi = strand.dispersion.phi
        floor, concurrent = self.floor, self.concurrent
        if look.alone:
            strand = self._against_record(strand, look, phi)
        row = self.row(look)
        if row is not None:
            n_c, s_c, n_b, s_b = (int(value) for value in row)
            concurrent = concurrent.absorb(n_c, s_c, n_b, s_b, phi=phi, odds=self._odds(strand))
            if floor is not None:
                floor = floor.absorb(n_c, s_c, phi=phi)
            strand = strand.absorb(n_b, s_b)
        return replace(self, concurrent=concurrent, floor=floor, strands={**self.strands, segment: strand})

    def state(self) -> dict[str, Any]:
        """What changes, as JSON-safe values."""
        return {
            "concurrent": self.concurrent.to_doc(),
            "floor": self.floor.to_doc() if self.floor else None,
            "strands": strands_doc(self.strands),
        }

    def with_state(self, doc: Mapping[str, Any]) -> RateRelative:
        """This test as `state` found it."""
        return replace(
            self,
            concurrent=CountsTest.from_doc(doc["concurrent"]),
            floor=OneArm.from_doc(doc["floor"]) if self.floor else None,
            strands=strands_of(doc["strands"]),
        )

    def _edges(self, look: Look) -> tuple[int | None, int | None] | None:
        """The edges for the candidate and for stable, the candidate's rounded towards the hypothesis under test."""
        if self.metric.kind is not Kind.LATENCY:
            return None, None
        x = tail_edge(look.record.cells, self.metric.q)
        stretched = self._stretched(x)
        return None if stretched is None else (stretched, x)

    def _stretched(self, x: int | None) -> int | None:
        if x is None:
            return None
        ms = BUCKETS[x] * self.factor
        return edge_at_least(ms) if self.side > 0 else edge_at_most(ms)

    def _odds(self, strand: Strand) -> float | None:
        """The odds ratio for the Fisher form, or None for the binomial one: by what was known before the batch."""
        if self.metric.kind is Kind.LATENCY:
            return 1.0 if self.metric.share >= COMMON else None
        if strand.n_b < COMMON_AFTER or strand.s_b / strand.n_b < COMMON:
            return None
        if self.factor == 1.0:
            return 1.0
        phi = strand.dispersion.phi
        return odds_limit(self.factor, self.side, rate_interval(strand.n_b / phi, strand.s_b / phi, 2 * self.delta)[1])

    def _against_record(self, strand: Strand, look: Look, phi: float) -> Strand:
        """The candidate's batch against stable's record of this segment, which is fixed at the first such batch."""
        if strand.record is None:
            n, s, edge = strand.n_b, strand.s_b, None
            if self.metric.kind is Kind.LATENCY:
                cells = look.record.cells
                x = tail_edge(cells, self.metric.q)
                edge = self._stretched(x)
                if x is None or edge is None:
                    return strand
                n, s = sum(cells), slower(cells, x)
            bound = rate_upper if self.side > 0 else rate_lower
            records = sum(1 for one in self.strands.values() if one.record is not None)
            q = self.concurrent.ratio * bound(n, s, self.delta * by_place(records), phi)
            if n < COMMON_AFTER or not 0 < q < 1:
                return strand
            strand = replace(strand, record=OneArm(q, self.side, self.concurrent.renews), edge=edge)
        if strand.record is None:  # pragma: no cover  (for the type checker: set just above)
            return strand
        n_c, s_c = self.metric.counts(look.batch.candidate, strand.edge)
        return replace(strand, record=strand.record.absorb(n_c, s_c, phi=phi))


@dataclass(frozen=True, slots=True)
class RateAbsolute:
    """The candidate against a fixed rate q; a latency "p95 above 5 s" is a rate of more than 5 % beyond 5 s.

    For a rollback the candidate must be over the limit *and* worse than stable: `together` is the one-arm test over the
    batches in which stable kept the limit, `companion` compares the arms; the smaller counts. So a dependency that
    breaks both leaves no evidence against the candidate behind. Where there is no stable traffic, `solo` speaks. Agreement
    is a figure of the pair, so there is nothing to be worse than: `together` speaks alone (`solo` None).
    """

    metric: Metric
    edge: int | None
    side: int
    together: OneArm
    companion: CountsTest
    solo: OneArm | None = None
    strands: Strands = field(default_factory=dict)

    @classmethod
    def new(cls, metric: Metric, limit: float, side: int, *, fall: bool) -> RateAbsolute:
        """A fresh test; `limit` in the metric's unit. `fall`: for a rollback, so that the arms are compared as well."""
        edge, q = None, limit
        if metric.kind is Kind.LATENCY:
            edge = edge_at_least(limit) if side > 0 else edge_at_most(limit)
            edge, q = (len(BUCKETS) - 1 if side > 0 else 0) if edge is None else edge, metric.share
        test = OneArm(min(max(q, 1e-9), 1 - 1e-9), side, renews=fall)
        solo = test if fall and metric.kind is not Kind.AGREEMENT else None
        return cls(metric, edge, side, test, CountsTest(1.0, side, renews=fall), solo)

    @property
    def log_e(self) -> float:
        """log E."""
        if self.solo is None:
            return self.together.log_e
        return mix((1 - KEPT, min(self.together.log_e, self.companion.log_e)), (KEPT, self.solo.log_e))

    def row(self, look: Look) -> Row | None:
        """Requests and events of both arms."""
        batch = look.batch
        return (*self.metric.counts(batch.candidate, self.edge), *self.metric.counts(batch.stable, self.edge))

    def broken(self, row: Row) -> tuple[bool, bool | None]:
        """Is the limit broken in plain numbers, by the candidate, and by stable (None without any traffic)?"""
        n_c, s_c, n_b, s_b = row
        over = [self.side * (s / n - self.together.q) > 0 if n else None for n, s in ((n_c, s_c), (n_b, s_b))]
        return bool(over[0]), over[1]

    def absorb(self, look: Look, *, excused: bool = False) -> RateAbsolute:
        """With one batch more. `excused`: stable broke the limit lately, so it says nothing of the candidate."""
        segment = look.batch.segment
        strand = self.strands.get(segment) or _fresh(self.metric)
        phi = strand.dispersion.phi
        row = self.row(look) or (0, 0, 0, 0)
        n_c, s_c, n_b, s_b = (int(value) for value in row)
        together, companion, solo = self.together, self.companion, self.solo
        if solo is None:
            together = together.absorb(n_c, s_c, phi=phi)
        elif look.alone:
            solo = solo.absorb(n_c, s_c, phi=phi)
        else:
            companion = companion.absorb(n_c, s_c, n_b, s_b, phi=phi)
            if not excused and self.broken(row)[1] is not True:
                together = together.absorb(n_c, s_c, phi=phi)
        own = self.metric.kind is Kind.AGREEMENT  # its bursts are its own: stable has none
        strand = strand.absorb(n_c, s_c) if own else strand.absorb(n_b, s_b)
        return replace(
            self, together=together, companion=companion, solo=solo, strands={**self.strands, segment: strand}
        )

    def state(self) -> dict[str, Any]:
        """What changes, as JSON-safe values."""
        return {
            "together": self.together.to_doc(),
            "companion": self.companion.to_doc(),
            "solo": self.solo.to_doc() if self.solo else None,
            "strands": strands_doc(self.strands),
        }

    def with_state(self, doc: Mapping[str, Any]) -> RateAbsolute:
        """This test as `state` found it."""
        return replace(
            self,
            together=OneArm.from_doc(doc["together"]),
            companion=CountsTest.from_doc(doc["companion"]),
            solo=OneArm.from_doc(doc["solo"]) if doc["solo"] else None,
            strands=strands_of(doc["strands"]),
        )


def mix(*parts: tuple[float, float]) -> float:
    """log of the weighted mean of e-values given by their logs."""
    top = max(log_e for _, log_e in parts)
    return top + math.log(math.fsum(weight * math.exp(log_e - top) for weight, log_e in parts))
