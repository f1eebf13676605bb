"""The validator for the other rooms: the engine, `plan` and the CLI. Nothing here prints or reads a disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tidegate.rules import baseline, suppress
from tidegate.rules.context import Context, facts
from tidegate.rules.engine import in_model, run_general, run_models, settle
from tidegate.rules.facts import Facts, facts_of
from tidegate.rules.finding import Finding
from tidegate.rules.registry import BY_ID
from tidegate.rules.suppress import Excuse, excuses_of
from tidegate.spec.declared import Declared, DeclaredModel, load, wanted
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.layout import place

__all__ = ["Finding", "Validator", "blocking", "read_by_rules", "validate_declared", "validate_files"]


def validate_files(files: Mapping[str, bytes], environment: str | None = "production") -> list[Finding]:
    """All findings for the files of one commit, by path relative to its root, as a controller of `environment` sees it.

    With None, the deployments of every environment are judged.
    """
    return validate_declared(load(files, environment), files)


def validate_declared(declared: Declared, files: Mapping[str, bytes]) -> list[Finding]:
    """The same for what `load` has made of these files already."""
    return Validator().validate(declared, files)


class Validator:
    """Judges one commit after the other, and of each only the models that are not the same objects as in the one before.

    One caller at a time. Neighbour: `spec.declared.Loader`, which keeps an unchanged model the same object.
    """

    def __init__(self) -> None:
        self._beside: tuple[object, ...] = ()
        self._models: dict[str, tuple[DeclaredModel, list[Finding], Facts]] = {}
        self._notes: dict[str, tuple[bytes, tuple[Excuse, ...]]] = {}

    def validate(self, declared: Declared, files: Mapping[str, bytes]) -> list[Finding]:
        """All findings.

        What the commit's own baseline names (`baseline.NAME`, if it is among the files) is left out, as by the CLI: what
        was accepted there must not hold a model back. A baseline that cannot be read hides nothing.

        Without the evidence rules: the controller asks spec/contract.py itself, once it knows what a candidate would
        replace, and a rollback must not be refused because the contract has become stricter since.
        """
        ours = {path: text for path, text in files.items() if path != baseline.NAME}
        found = [one for one in self._found(declared, ours) if BY_ID[one.rule].family != "evidence"]
        findings = list(settle(found, self._excuses(ours), declared, complete=False).kept)
        if baseline.NAME not in files:
            return findings
        try:
            entries = baseline.parse(files[baseline.NAME])
        except NeedsPerson as error:
            fix = error.fix or ""
            broken = Finding(
                baseline.NAME, 1, 1, suppress.RULE_ID, "warning", f"it {error.message}, so it hides nothing", fix
            )
            return sorted([broken, *findings])
        return list(baseline.hide(findings, ours, entries)[0].kept)

    def _found(self, declared: Declared, files: Mapping[str, bytes]) -> Iterator[Finding]:
        """What the rules say, before any comment has its say."""
        general = {path: text for path, text in files.items() if not in_model(path)}
        beside = (declared.governance, declared.controller, *declared.policies.items(), *sorted(general.items()))
        if beside != self._beside:
            self._models.clear()
            self._beside = beside
        known = self._models
        stale = {name: one for name, one in declared.models.items() if name not in known or known[name][0] is not one}
        texts = {path: text for path, text in files.items() if in_model(path) and _folder(path) in stale}
        fresh = {name: facts_of(folder) for name, folder in stale.items()}
        problems = tuple(problem for folder in stale.values() for problem in folder.problems)
        part = replace(declared, models=stale, problems=problems)
        judged: dict[str, list[Finding]] = {}
        for finding in run_models(Context(part, {**general, **texts}, facts=fresh)) if stale else ():
            judged.setdefault(_folder(finding.path), []).append(finding)
        self._models = {
            name: (folder, judged.get(name, []), fresh[name]) if name in stale else known[name]
            for name, folder in declared.models.items()
        }
        for _, findings, _ in self._models.values():
            yield from findings
        all_facts = {name: found for name, (_, _, found) in self._models.items()}
        rest = tuple(problem for problem in declared.problems if not in_model(problem.path))
        yield from run_general(Context(replace(declared, models={}, problems=rest), general, facts=all_facts))

    def _excuses(self, files: Mapping[str, bytes]) -> dict[str, tuple[Excuse, ...]]:
        known, self._notes = self._notes, {}
        for path, text in files.items():
            last = known.get(path)
            if last is None or last[0] != text:
                last = (text, tuple(excuses_of({path: text}).get(path, ())))
            self._notes[path] = last
        return {path: notes for path, (_, notes) in self._notes.items() if notes}


def _folder(path: str) -> str:
    """The model's folder that a path below models/ lies in."""
    return path.split("/", 2)[1]


def read_by_rules(path: str) -> bool:
    """Whether `validate_declared` wants this path of a commit."""
    return wanted(path) or path == baseline.NAME


def blocking(findings: Iterable[Finding], declared: Declared | None = None) -> dict[str | None, list[Finding]]:
    """The errors by model: these models stay on their old state, the others go on.

    A policy's errors belong to every model that uses the policy, as far as `declared` is given and says so.
    Under None stands what belongs to no model: tidegate.yaml, governance, a policy that nobody is known to use.
    """
    declared = declared or Declared()
    context = Context(declared, {}, facts=facts(declared))
    errors: dict[str | None, list[Finding]] = {}
    for finding in findings:
        if finding.severity != "error":
            continue
        found = place(finding.path)
        models: list[str | None] = [found.model] if found is not None else [None]
        if found is not None and found.kind == "RolloutPolicy":
            models = [model.name for model in context.users(found.name)] or [None]
        for model in models:
            errors.setdefault(model, []).append(finding)
    return errors
