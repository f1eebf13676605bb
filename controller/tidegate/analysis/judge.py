"""The joint judge: one analysis a candidate; batches in, a verdict out. Pure; the clock is passed in.

Neighbours: rollout/ calls begin, absorb and verdict; guards.py holds one guardrail's tests; opinion.py words them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.analysis import joint
from tidegate.analysis.gap import Gap
from tidegate.analysis.guards import Guard
from tidegate.analysis.latency import Record, add, pack, unpack
from tidegate.analysis.model import Batch, Judgement, Result, Verdict
from tidegate.analysis.opinion import Settings
from tidegate.analysis.opinions import AnyGuard, opinion
from tidegate.analysis.rates import Look
from tidegate.analysis.sample_ratio import ALPHA, SampleRatio
from tidegate.analysis.within import Within
from tidegate.analysis.words import percent, requests
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.policy import Guardrail

VERSION = 2
"""Of the document. In version 1 no test had later starts: what was begun then goes on without them, losing nothing."""
ALONE_AFTER = 3
"""Batches in a row without stable traffic after which there is no concurrent baseline, where no share is declared."""


@dataclass(frozen=True, slots=True)
class Strand:
    """One segment: the last batch taken, stable's latencies so far, batches in a row without stable traffic, and the
    candidate's latencies."""

    last: int = -1
    record: Record = field(default_factory=Record)
    without: int = 0
    cells: tuple[int, ...] = ()

    def to_doc(self) -> list[Any]:
        """As JSON-safe values."""
        return [self.last, self.record.to_doc(), self.without, pack(self.cells)]

    @classmethod
    def from_doc(cls, doc: Sequence[Any]) -> Strand:
        """The strand that `to_doc` wrote."""
        last, record, without, *cells = doc
        return cls(last, Record.from_doc(record), without, unpack(cells[0]) if cells else ())


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that a verdict rests on. Frozen; `to_doc` and `from_doc` carry it through JSON bit by bit.

    `failed` holds log E of the joint decision and the guardrails that made it; from then on nothing changes any more.
    `mirrored`: the strand of a shadow's pairs, which are nobody's requests and count as none.
    """

    confidence: float
    attempt: int
    guards: tuple[AnyGuard, ...]
    strands: Mapping[str | None, Strand] = field(default_factory=dict)
    ratio: SampleRatio = field(default_factory=SampleRatio)
    cells: tuple[int, ...] = ()
    n_c: int = 0
    n_b: int = 0
    failed: tuple[float, tuple[int, ...]] | None = None
    mirrored: Strand = field(default_factory=Strand)

    @property
    def settings(self) -> Settings:
        """The thresholds that follow from confidence, weights and attempt."""
        return Settings.of(tuple(g.guardrail for g in self.guards), self.confidence, self.attempt)

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values, for the journal."""
        return {
            "version": VERSION,
            "confidence": self.confidence,
            "attempt": self.attempt,
            "guardrails": [g.guardrail.model_dump(mode="json", exclude_none=True) for g in self.guards],
            "guards": [g.to_doc() for g in self.guards],
            "strands": [[segment, *s.to_doc()] for segment, s in self.strands.items()],
            "mirrored": self.mirrored.to_doc(),
            "ratio": self.ratio.to_doc(),
            "cells": pack(self.cells),
            "n_c": self.n_c,
            "n_b": self.n_b,
            "failed": [self.failed[0], list(self.failed[1])] if self.failed else None,
        }

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Analysis:
        """The analysis that `to_doc` wrote, in this version or the one before. Raises NeedsPerson for a newer one."""
        if doc["version"] > VERSION:
            raise NeedsPerson(
                f"the journal holds an analysis of version {doc['version']}, this Tidegate knows {VERSION}",
                fix="run the version of Tidegate that wrote it, or a newer one",
            )
        guardrails = tuple(Guardrail.model_validate(g) for g in doc["guardrails"])
        new = begin(guardrails, doc["confidence"], attempt=doc["attempt"])
        settings = new.settings
        failed = doc["failed"]
        return replace(
            new,
            guards=tuple(
                _guard(g, guardrails, settings.delta_of(i), d)
                for i, (g, d) in enumerate(zip(guardrails, doc["guards"], strict=True))
            ),
            strands={segment: Strand.from_doc(strand) for segment, *strand in doc["strands"]},
            mirrored=Strand.from_doc(doc["mirrored"]) if "mirrored" in doc else Strand(),
            ratio=SampleRatio.from_doc(doc["ratio"]),
            cells=unpack(doc["cells"]),
            n_c=doc["n_c"],
            n_b=doc["n_b"],
            failed=(failed[0], tuple(failed[1])) if failed else None,
        )


def begin(guardrails: tuple[Guardrail, ...], confidence: float, *, attempt: int = 0) -> Analysis:
    """A new analysis.

    `confidence` 0.99: at most 1 % false rollbacks, however often it is looked at. `attempt` counts earlier tries of the
    same release: each halves promotion's alpha. Raises ValueError on weights that are negative or all zero.
    """
    settings = Settings.of(guardrails, confidence, attempt)
    guards = (_guard(g, guardrails, settings.delta_of(i)) for i, g in enumerate(guardrails))
    return Analysis(confidence, attempt, tuple(guards))


def renew(old: Analysis, guardrails: tuple[Guardrail, ...], confidence: float) -> Analysis:
    """A new analysis for edited guardrails, which keeps what would never come again.

    That is what a shadow's pairs have shown, for guardrails that stay as they were, and the record of stable, which a step
    without it is held against. All else begins anew.
    """
    new, same = begin(guardrails, confidence, attempt=old.attempt), confidence == old.confidence
    settings = new.settings
    guards = (_after(old, g, same, settings.delta_of(i), guardrails) for i, g in enumerate(new.guards))
    strands = {segment: replace(strand, cells=()) for segment, strand in old.strands.items()}
    return replace(new, guards=tuple(guards), strands=strands, mirrored=old.mirrored if same else new.mirrored)


def _after(old: Analysis, new: AnyGuard, same: bool, delta: float, rails: tuple[Guardrail, ...]) -> AnyGuard:
    """A fresh guard with what the old analysis knows for it. `same`: its confidence is as it was."""
    if new.guardrail.paired:
        return next((g for g in old.guards if same and g.guardrail == new.guardrail), new)
    known = (g for g in old.guards if isinstance(g, Guard) and not g.guardrail.paired)
    found = (new.after(g, delta, rails) for g in known if isinstance(new, Guard))
    return next((one for one in found if one is not None), new)


def _guard(
    guardrail: Guardrail, rails: tuple[Guardrail, ...], delta: float, doc: Mapping[str, Any] | None = None
) -> AnyGuard:
    """A guardrail's guard, fresh or as its document has it."""
    if guardrail.max_gap is not None and not guardrail.paired:
        gap = Gap.new(guardrail, rails)
        return gap if doc is None else gap.with_doc(doc)
    if guardrail.segments is not None and not guardrail.paired:
        within = Within(guardrail, rails)
        return within if doc is None else within.with_doc(doc, delta)
    counts = doc is not None and doc.get("counts", False)
    guard = Guard.new(guardrail, delta, rails=rails, counts=counts)
    return guard if doc is None else guard.with_doc(doc)


def absorb(analysis: Analysis, batch: Batch) -> Analysis:
    """With one closed batch more.

    A batch seen before (its id is not above the last of its segment), or one still open, changes nothing; nor does
    anything after a failure, which is final.
    """
    strand = analysis.mirrored if batch.mirrored else analysis.strands.get(batch.segment, Strand())
    if not batch.complete or batch.id <= strand.last or analysis.failed is not None:
        return analysis
    settings = analysis.settings
    look = _look(strand, batch)
    stable, candidate = batch.stable.requests, batch.candidate.requests
    without = 0 if stable else strand.without + (1 if candidate else 0)
    cells = add(strand.cells, batch.candidate.latency)
    strand = Strand(batch.id, strand.record.absorb(batch.stable.latency), without, cells)
    guards = tuple(
        g.absorb(look, settings.log_promote, settings.delta_of(i)) if g.guardrail.paired is batch.mirrored else g
        for i, g in enumerate(analysis.guards)
    )
    if batch.mirrored:
        new = replace(analysis, guards=guards, mirrored=strand)
    else:
        new = replace(
            analysis,
            guards=guards,
            strands={**analysis.strands, batch.segment: strand},
            ratio=analysis.ratio.absorb(candidate, candidate + stable, batch.share),
            cells=add(analysis.cells, batch.candidate.latency),
            n_c=analysis.n_c + candidate,
            n_b=analysis.n_b + stable,
        )
    log_es = [g.log_e for g in new.guards]
    total = joint.log_mean(settings.weights, log_es)
    if total >= settings.log_threshold and not new.ratio.mismatch:
        new = replace(new, failed=(total, joint.culprits(settings.weights, log_es, settings.log_threshold)))
    return new


def verdict(analysis: Analysis, *, at: float, now_open: tuple[Batch, ...] = (), mirrored: bool = False) -> Verdict:
    """The decision now: invalid, then fail, then both_arms, no_data, pass, collecting.

    `at` in epoch seconds; `now_open` are incomplete batches, which only `immediate` guardrails look at. A failure stays
    one, and a disaster is one even while the comparison is invalid: it compares nothing. `mirrored`: in a shadow step, in
    which only guardrails on its pairs can have data; in the others those have said what they had to say (that step's gate).
    """
    settings = analysis.settings
    stable_cells: tuple[int, ...] = ()
    for strand in analysis.strands.values():
        stable_cells = add(stable_cells, strand.record.cells)
    cells = {segment: (strand.cells, strand.record.cells) for segment, strand in analysis.strands.items()}
    judged = []
    for index, guard in enumerate(analysis.guards):
        seen = _with_open(guard, analysis, now_open) if guard.guardrail.immediate else guard
        failed = analysis.failed[0] if analysis.failed and index in analysis.failed[1] else None
        pairs = analysis.mirrored.cells, analysis.mirrored.record.cells
        whole = pairs if guard.guardrail.paired else (analysis.cells, stable_cells)
        judged.append(opinion(seen, settings, settings.weights[index], whole, cells, failed))
    result, sentence, culprit = _decide(analysis, tuple(judged), mirrored)
    promotable = (analysis.n_c > 0 or mirrored) and all(
        (g.guardrail.paired and not mirrored)
        or (
            (j.result is not Result.NO_DATA or (mirrored and not g.guardrail.paired))
            and (g.guardrail.margin is None or j.excluded)
        )
        for g, j in zip(analysis.guards, judged, strict=True)
    )
    return Verdict(
        result=result,
        sentence=sentence,
        promotable=promotable and result in (Result.PASS, Result.COLLECTING),
        culprit=culprit,
        judgements=tuple(judged),
        requests=analysis.n_c + analysis.n_b,
        candidate_requests=analysis.n_c,
        at=at,
    )


def _look(strand: Strand, batch: Batch) -> Look:
    """The batch with what was known before it. Alone: the candidate has it all, by declaration or for long enough."""
    declared = batch.share is not None and batch.share >= 1  # what other sources bring has no requests of its own
    alone = batch.stable.requests == 0 and (batch.candidate.requests > 0 or declared)
    for_good = strand.without + 1 >= ALONE_AFTER if batch.share is None else batch.share >= 1
    return Look(batch, strand.record, alone and for_good)


def _with_open(guard: AnyGuard, analysis: Analysis, now_open: tuple[Batch, ...]) -> AnyGuard:
    if guard.guardrail.paired:
        return guard
    for batch in now_open:
        strand = analysis.strands.get(batch.segment, Strand())
        guard = guard.with_row(_look(strand, batch))
    return guard


def _decide(analysis: Analysis, judged: tuple[Judgement, ...], mirrored: bool) -> tuple[Result, str, Judgement | None]:
    """The joint result, its sentence, and the judgement that leads it."""
    by: dict[Result, list[Judgement]] = {}
    elsewhere: list[Judgement] = []  # those whose data come in other steps: nothing is held for them
    for g, j in zip(analysis.guards, judged, strict=True):
        missing = j.result is Result.NO_DATA or (j.result is Result.COLLECTING and not mirrored)
        (elsewhere if missing and g.guardrail.paired is not mirrored else by.setdefault(j.result, [])).append(j)
    disasters = [
        j for g, j in zip(analysis.guards, judged, strict=True) if g.guardrail.immediate and j.result is Result.FAIL
    ]
    ratio = analysis.ratio
    if disasters:
        return Result.FAIL, disasters[0].sentence, disasters[0]
    if analysis.failed is not None:
        first = judged[analysis.failed[1][0]]
        return Result.FAIL, first.sentence, first
    if ratio.mismatch:
        seen, promised = percent(ratio.n_c / ratio.n), percent(ratio.expected / ratio.n)
        text = (
            f"the candidate got {seen} of {ratio.n:,} requests where the weights promise {promised}: nothing compares"
        )
        return Result.INVALID, f"{text} (alpha {ALPHA:g})", None
    for result in (Result.BOTH_ARMS, Result.NO_DATA):
        if result in by:
            return result, by[result][0].sentence, by[result][0]
    if not analysis.n_c and not mirrored:
        return Result.NO_DATA, "no candidate requests yet", None
    waiting = by.get(Result.COLLECTING, [])
    if not waiting:
        first_pass = next(
            (
                j
                for g, j in zip(analysis.guards, judged, strict=True)
                if not g.guardrail.immediate and j not in elsewhere
            ),
            None,
        )
        text = first_pass.sentence if first_pass else f"{requests(analysis.n_c)}, nothing to judge them by"
        return Result.PASS, text, first_pass
    return Result.COLLECTING, waiting[0].sentence, waiting[0]
