"""After a promotion: the policy's `watch` guardrails go on judging the stable release, against the record of the one before.

A breach takes it back while the release before is hot, by the same path as a breach in a step; else it is told, once.
Neighbours: finish.py begins a watch and takes back, evidence.py gathers the record, analysis/judge.py decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from tidegate.analysis.judge import Analysis, absorb, begin, verdict
from tidegate.analysis.model import Arm, Batch, Result
from tidegate.rollout.finish import take_back
from tidegate.rollout.state import EventKind, Standby, Watch
from tidegate.rollout.turn import Turn

SPELL: Final = 900.0
"""Seconds after which the watch begins anew, at least: a threehundredth of a long watch."""
MOST_SPELLS: Final = 300

_FIRST: Final = 1_000_000_000
"""Above every id that the record of the rollout has taken in: the watch counts its windows by itself."""


def watch_promoted(turn: Turn) -> None:
    """Judge the stable release while its watch lasts; act on a failure."""
    watch, stable = turn.state.watch, turn.state.stable
    if watch is None:
        return
    if stable is None or stable.digest != watch.release.digest or turn.now >= watch.until:
        turn.set(watch=None)
        return
    watch = _judged(turn, watch)
    turn.set(watch=watch)
    if watch.verdict is not None and watch.verdict.result is Result.FAIL:
        turn.verdicts[watch.release.id] = watch.verdict
        _failed(turn, watch, watch.verdict.sentence)


def alone(batch: Batch, *, trial: bool) -> Batch:
    """A window as the watch sees it: the watched release is the candidate, and there is nobody beside it.

    `trial` True: another release is on trial, and the watched one is the stable arm of its windows.
    """
    watched = batch.stable if trial else batch.candidate
    return replace(batch, stable=Arm(), candidate=watched, share=1.0)


def record_of_stable(doc: Analysis, batches: Iterable[Batch]) -> Analysis:
    """With the stable arm of a trial's windows alone: what the candidate will be held against once it has everything."""
    for batch in batches:
        doc = absorb(doc, replace(batch, candidate=Arm(), share=None))
    return doc


def _judged(turn: Turn, watch: Watch) -> Watch:
    before = turn.before.candidate
    trial = before is not None and before.step >= 0
    fresh = [batch for batch in turn.seen.batches if batch.complete and batch.start >= watch.read_to]
    guardrails = watch.policy.watch
    immediate = any(guardrail.immediate for guardrail in guardrails)
    if not fresh and not (turn.seen.open and immediate):
        return watch
    watch = _spell(turn, watch)
    analysis = Analysis.from_doc(watch.analysis) if watch.analysis is not None else _fresh(watch)
    number = watch.windows
    for batch in fresh:
        number += 1
        analysis = absorb(analysis, replace(alone(batch, trial=trial), id=_FIRST + number))
    now_open = tuple(alone(batch, trial=trial) for batch in turn.seen.open if batch.start >= watch.read_to)
    said = turn.owned(verdict(analysis, at=turn.now, now_open=now_open))
    if not fresh and said.result is not Result.FAIL:
        return watch
    read_to = max([watch.read_to, *(batch.end for batch in fresh)])
    return replace(watch, analysis=analysis.to_doc(), verdict=said, windows=number, read_to=read_to)


def _spell(turn: Turn, watch: Watch) -> Watch:
    """The watch in its present spell. Good hours must not excuse a bad one, so each spell begins with the record alone;

    a failure ends no spell.
    """
    failed = watch.verdict is not None and watch.verdict.result is Result.FAIL
    if failed or turn.now - watch.begun < (watch.until - watch.since) / _spells(watch):
        return watch
    return replace(watch, begun=turn.now, analysis=None)


def _spells(watch: Watch) -> int:
    return max(1, min(MOST_SPELLS, math.ceil((watch.until - watch.since) / SPELL)))


def _fresh(watch: Watch) -> Analysis:
    """An analysis that knows of the release before alone. All spells together err as seldom as the policy wants."""
    guardrails, confidence = watch.policy.watch, watch.policy.confidence
    analysis = Analysis.from_doc(watch.record) if watch.record is not None else begin(guardrails, confidence)
    return replace(analysis, confidence=1 - (1 - confidence) / _spells(watch))


def _failed(turn: Turn, watch: Watch, sentence: str) -> None:
    good = _way_back(turn, watch)
    if good is not None and turn.state.candidate is None and turn.ready(good.release):
        take_back(turn, watch, good, f"after its promotion: {sentence}")
        return
    if watch.alerted:
        return
    if good is None:
        what = "there is no hot release before it to go back to"
    elif turn.state.candidate is not None:
        what = f"it is not taken back while {turn.state.candidate.release.label} is on trial"
    else:
        what = f"it goes back as soon as {good.release.label} is ready"
    turn.set(watch=replace(watch, alerted=True))
    turn.tell(EventKind.DEGRADED, watch.release, f"after its promotion: {sentence}; {what}")


def _way_back(turn: Turn, watch: Watch) -> Standby | None:
    good = watch.good
    if good is None:
        return None
    return next((s for s in turn.state.standby if s.release.digest == good.digest and turn.now < s.until), None)
