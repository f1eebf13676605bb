"""One run in which something must be judged: what is remembered is taken, the rest is judged, and all of it sifted.

Neighbours: judge.py calls when nothing whole is remembered; units.py, parts.py, pool.py and memory.py do the work.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Final

from tidegate.cli.check.history import Asked, gather
from tidegate.cli.check.memory import Memory, Run
from tidegate.cli.check.parts import Judge, Outcome
from tidegate.cli.check.pool import processors, spread
from tidegate.cli.check.surroundings import Answer, TreeSurroundings
from tidegate.cli.check.tree import Tree
from tidegate.cli.check.units import Unit, units_of
from tidegate.rules.engine import settle
from tidegate.spec.errors import NeedsPerson

_GROUP: Final = 128
"""Files that are shown to the rules together: enough to make a rule's own start nothing, few enough to hold in memory."""
_PAYS: Final = 256
"""Files from which on a second process judges sooner than it takes to start (docs/design/validator.md)."""


def work(tree: Tree, asked: Asked | None, today: date, common: str, memory: Memory, key: str) -> Run:
    """Judge what is not remembered, and remember it under `key`. Raises NeedsPerson when there is nothing to judge."""
    base = gather(tree, asked) if asked is not None else None
    if not tree.files and (base is None or not base.blobs):
        raise NeedsPerson(
            "holds nothing to validate: no tidegate.yaml, no models, no policies",
            where=str(tree.root),
            fix="write a first model, or begin with 'tidegate init'",
        )
    with _uncollected():
        general, *models = units_of(tree, base, common)
        found = memory.outcomes((unit.key for unit in (general, *models)), TreeSurroundings(tree).still)
        used = set(found)
        judge = Judge(tree, base, general, today, memory.answers())
        missing = [unit for unit in models if unit.key not in found]
        judge.fetch((general, *missing) if missing or general.key not in found else ())
        found |= _models(judge, missing)
        if general.key not in found:
            facts = {
                unit.name: one.facts for unit in models if unit.name and (one := found[unit.key]).facts is not None
            }
            found[general.key] = judge.general({name: one for name, one in facts.items() if one is not None})
    run = _sifted(judge, [found[unit.key] for unit in (general, *models)], len(tree.files))
    if all(one.lasting for one in found.values()):
        memory.keep_run(key, run)
    new = {name: one for name, one in found.items() if name not in used and one.lasting}
    if new:
        memory.keep_outcomes(used, new)
    return run


def _models(judge: Judge, units: Sequence[Unit]) -> dict[str, Outcome]:
    """The outcomes of these models by key, from as many processes as pay."""
    groups = list(_groups(units))
    workers = min(processors(), len(groups)) if sum(len(unit.paths) for unit in units) >= _PAYS else 1
    if workers > 1:
        judge.prepare()
        results = spread(lambda group: _judged(judge, group), groups, workers)
    else:
        results = [_judged(judge, group) for group in groups]
    return {
        unit.key: replace(one, told=told)
        for group, (found, told) in zip(groups, results, strict=True)
        for unit, one in zip(group, found, strict=True)
    }


def _judged(judge: Judge, group: Sequence[Unit]) -> tuple[list[Outcome], tuple[Answer, ...]]:
    """The outcomes of a group, and what its rules were told: that once, since it may have to travel."""
    found = judge.models(group)
    gc.collect()  # little is left of a group, so that looking through it costs nothing
    return [replace(one, told=()) for one in found], found[0].told


def _groups(units: Sequence[Unit]) -> Iterator[list[Unit]]:
    group: list[Unit] = []
    size = 0
    for unit in units:
        group.append(unit)
        size += len(unit.paths)
        if size >= _GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _sifted(judge: Judge, outcomes: Sequence[Outcome], files: int) -> Run:
    findings = [finding for one in outcomes for finding in one.findings]
    notes = {path: found for one in outcomes for path, found in one.notes.items()}
    groups = {id(one.told): one.told for one in outcomes}
    told = {(answer.question, answer.path): answer for answers in groups.values() for answer in answers}
    if not notes:
        return Run(tuple(sorted(findings)), (), files, tuple(told.values()))
    sifted = settle(findings, notes, judge.declared, complete=True)
    return Run(sifted.kept, sifted.silenced, files, tuple(told.values()))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector: half a million small values and no cycles, which it would go through again and again."""
    running = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if running:
            gc.enable()
