"""Judges units: reads and loads their files, shows the rules the part that they may see, and keeps what came of it.

Neighbours: units.py says what the units are, pool.py spreads them over processes, rules/engine.py runs the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Final

from tidegate.cli.check.entry import blob_id
from tidegate.cli.check.history import Base
from tidegate.cli.check.surroundings import Answer, TreeSurroundings
from tidegate.cli.check.tree import Tree
from tidegate.cli.check.units import Unit, owner
from tidegate.rules.context import Context, facts
from tidegate.rules.engine import run_general, run_models
from tidegate.rules.facts import Facts
from tidegate.rules.finding import Finding
from tidegate.rules.history import History
from tidegate.rules.suppress import Excuse, excuses_of
from tidegate.spec.declared import Declared, DeclaredModel, load
from tidegate.spec.source import MAX_BYTES

_FEW: Final = 2048
"""Files whose contents are held in memory at once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one unit: all findings of its rules, before its comments (`notes`) silence any; its model's facts.

    `told`: what the rules asked about the rest of the repository. `lasting`: whether the same key will find it again.
    """

    findings: tuple[Finding, ...]
    notes: Mapping[str, tuple[Excuse, ...]]
    facts: Facts | None
    told: tuple[Answer, ...]
    lasting: bool = True


class Judge:
    """Judges the units of one tree. What belongs to no model is read once: the rules see it beside every model."""

    def __init__(self, tree: Tree, base: Base | None, general: Unit, today: date, known: Iterable[Answer] = ()) -> None:
        self._tree = tree
        self._base = base
        self._general = general
        self._today = today
        self._surroundings = TreeSurroundings(tree, known)

    def models(self, units: Sequence[Unit]) -> list[Outcome]:
        """The outcomes of these models, one for each, in their order. They are shown to the rules together."""
        files, odd = self._read([path for unit in units for path in unit.paths])
        declared = load(files, environment=None)
        beside, general = self._beside
        context = Context(
            declared=replace(
                beside, models=declared.models, problems=tuple(sorted([*beside.problems, *declared.problems]))
            ),
            files=files | general,
            history=self._history(units, files, declared),
            today=self._today,
            surroundings=self._surroundings,
            unread=[path for unit in units for path in unit.unread],
        )
        found: dict[str | None, list[Finding]] = {}
        for finding in run_models(context):
            found.setdefault(owner(finding.path), []).append(finding)
        notes, known, told = excuses_of(files), facts(declared), self._surroundings.told()
        return [
            Outcome(
                tuple(found.get(unit.name, ())),
                {path: notes[path] for path in unit.paths if path in notes},
                known.get(unit.name or ""),
                told,
                odd.isdisjoint(unit.paths) and odd.isdisjoint(general),
            )
            for unit in units
        ]

    def general(self, known: Mapping[str, Facts]) -> Outcome:
        """The outcome of what belongs to no model. `known`: the facts of all models."""
        declared, files = self._beside
        context = Context(
            declared,
            files,
            self._history([], {}, Declared()),
            known,
            self._today,
            self._surroundings,
            self._general.unread,
        )
        findings = tuple(run_general(context))
        return Outcome(findings, excuses_of(files), None, self._surroundings.told(), not self._oddly)

    def fetch(self, units: Iterable[Unit]) -> None:
        """Have git tell at once what the units will be judged by, if it is little: asking often takes longer."""
        blobs = [self._tree.files[path].blob for unit in units for path in unit.paths if self._tree.staged]
        merged = self._base.blobs if self._base is not None else {}
        for path in (path for unit in units for path in unit.merged):
            now = self._tree.files.get(path)
            if now is None or now.blob != merged[path]:
                blobs.append(merged[path])
        if len(blobs) <= _FEW:
            self._tree.hold(blobs)

    def prepare(self) -> None:
        """Read what all models are judged beside, so that processes which are forked from here need not."""
        _ = self._beside, (self._merged_beside if self._base is not None else None)

    @property
    def declared(self) -> Declared:
        """What belongs to no model: policies, governance, tidegate.yaml."""
        return self._beside[0]

    @cached_property
    def _beside(self) -> tuple[Declared, dict[str, bytes]]:
        files, self._oddly = self._read(self._general.paths)
        return load(files, environment=None), files

    @cached_property
    def _merged_beside(self) -> tuple[Declared, dict[str, bytes]]:
        """The same in the base."""
        declared, files = self._beside
        merged = self._merged(self._general.merged, files)
        return (declared if merged == files else load(merged, environment=None)), merged

    def _read(self, paths: Sequence[str]) -> tuple[dict[str, bytes], set[str]]:
        """Contents, and those paths whose content is not what their id says: it must not be remembered by that."""
        files = self._tree.read(paths)
        odd = {path for path in paths if path not in files}
        if not self._tree.staged:
            for path, text in files.items():
                blob = self._tree.files[path].blob
                if path in self._tree.listing.contents or len(text) > MAX_BYTES:
                    continue
                if blob_id(text, algorithm="sha1" if len(blob) == 40 else "sha256") != blob:
                    odd.add(path)
        return files, odd

    def _merged(self, paths: Sequence[str], files: Mapping[str, bytes]) -> dict[str, bytes]:
        """Contents of the base's files; what did not change is what was read already."""
        assert self._base is not None
        blobs, now = self._base.blobs, self._tree.files
        same = {path for path in paths if path in files and now[path].blob == blobs[path]}
        contents = self._tree.contents({blobs[path] for path in paths if path not in same})
        return {path: files[path] if path in same else contents[blobs[path]] for path in paths}

    def _history(self, units: Sequence[Unit], files: Mapping[str, bytes], declared: Declared) -> History | None:
        """The base, as far as it belongs to these units or to no model."""
        base = self._base
        if base is None:
            return None
        beside, general = self._merged_beside
        merged = self._merged([path for unit in units for path in unit.merged], files)
        models: dict[str, DeclaredModel] = {}
        for unit in units:
            found = {path: merged[path] for path in unit.merged}
            same = found == {path: files[path] for path in unit.paths if path in files}
            name = unit.name or ""
            if same and name in declared.models:
                models[name] = declared.models[name]
            elif found:
                models |= load(found, environment=None).models
        names = {None, *(unit.name for unit in units)}
        return History(
            base.commit,
            general | merged,
            replace(
                beside,
                models=models,
                problems=tuple(
                    sorted([*beside.problems, *(one for model in models.values() for one in model.problems)])
                ),
            ),
            tuple(change for change in base.changes if owner(change.path) in names),
            {path: blobs for path, blobs in base.former.items() if owner(path) in names},
            base.shallow,
            frozenset(path for path in base.undone if owner(path) in names),
            {path: blob for path, blob in base.ahead.items() if owner(path) in names},
            base.gone,
        )
