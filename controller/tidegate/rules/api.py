"""The validator for the other rooms: the engine, `plan` and the CLI. Nothing here prints or reads a disk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
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
        self._general: dict[str, bytes] = {}
        self._folders: dict[str, set[str]] = {}
        self._models: dict[str, DeclaredModel] = {}
        self._facts: dict[str, Facts] = {}
        self._findings: dict[str, list[Finding]] = {}
        self._notes: dict[str, tuple[bytes, tuple[Excuse, ...]]] = {}
        self._excused: dict[str, tuple[Excuse, ...]] = {}

    def validate(
        self, declared: Declared, files: Mapping[str, bytes], changed: Collection[str] | None = None
    ) -> list[Finding]:
        """All findings. `changed`: the paths that may differ from the commit before; None: any may.

        What the commit's own baseline names (`baseline.NAME`, if it is among the files) is left out, as by the CLI: what
        was accepted there must not hold a model back. A baseline that cannot be read hides nothing.

        Without the evidence rules: the controller asks spec/contract.py itself, once it knows what a candidate would
        replace, and a rollback must not be refused because the contract has become stricter since.
        """
        paths = {*self._notes, *files} if changed is None else set(changed)
        for path in sorted(paths - {baseline.NAME}):
            self._take(path, files.get(path))
        found = [one for one in self._found(declared, files) if BY_ID[one.rule].family != "evidence"]
        findings = list(settle(found, self._excused, declared, complete=False).kept)
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
        ours = {path: text for path, text in files.items() if path != baseline.NAME}
        return list(baseline.hide(findings, ours, entries)[0].kept)

    def _take(self, path: str, text: bytes | None) -> None:
        """A file as it is now, None when it is not there: its comments, and where it belongs."""
        folder = self._folders.setdefault(_folder(path), set()) if in_model(path) else None
        if text is None:
            self._notes.pop(path, None)
            self._excused.pop(path, None)
            self._general.pop(path, None)
            if folder is not None:
                folder.discard(path)
            return
        if folder is None:
            self._general[path] = text
        else:
            folder.add(path)
        last = self._notes.get(path)
        if last is None or last[0] != text:
            self._notes[path] = (text, tuple(excuses_of({path: text}).get(path, ())))
            self._excused.pop(path, None)
            if self._notes[path][1]:
                self._excused[path] = self._notes[path][1]

    def _found(self, declared: Declared, files: Mapping[str, bytes]) -> Iterator[Finding]:
        """What the rules say, before any comment has its say."""
        general = self._general
        beside = (declared.governance, declared.controller, *declared.policies.items(), *sorted(general.items()))
        if beside != self._beside:
            self._beside = beside
            for name in list(self._models):
                self._forget(name)
        for name in [name for name in self._models if name not in declared.models]:
            self._forget(name)
        stale = {name: one for name, one in declared.models.items() if self._models.get(name) is not one}
        texts = {path: files[path] for name in stale for path in sorted(self._folders.get(name, ()))}
        fresh = {name: facts_of(folder) for name, folder in stale.items()}
        problems = tuple(problem for folder in stale.values() for problem in folder.problems)
        part = replace(declared, models=stale, problems=problems)
        for name, folder in stale.items():
            self._forget(name)
            self._models[name], self._facts[name] = folder, fresh[name]
        for finding in run_models(Context(part, {**general, **texts}, facts=fresh)) if stale else ():
            self._findings.setdefault(_folder(finding.path), []).append(finding)
        for findings in self._findings.values():
            yield from findings
        rest = tuple(problem for problem in declared.problems if not in_model(problem.path))
        yield from run_general(Context(replace(declared, models={}, problems=rest), general, facts=self._facts))

    def _forget(self, name: str) -> None:
        for known in (self._models, self._facts, self._findings):
            known.pop(name, None)


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
    context: Context | None = None
    errors: dict[str | None, list[Finding]] = {}
    for finding in findings:
        if finding.severity != "error":
            continue
        found = place(finding.path)
        models: list[str | None] = [found.model] if found is not None else [None]
        if found is not None and found.kind == "RolloutPolicy":
            context = context or Context(declared, {}, facts=facts(declared))
            models = [model.name for model in context.users(found.name)] or [None]
        for model in models:
            errors.setdefault(model, []).append(finding)
    return errors
