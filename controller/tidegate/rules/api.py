"""The validator for the other rooms: the engine, `plan` and the CLI. Nothing here prints or reads a disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidegate.rules import baseline, suppress
from tidegate.rules.context import Context, facts
from tidegate.rules.engine import run
from tidegate.rules.finding import Finding
from tidegate.spec.declared import Declared, load, wanted
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.layout import place

__all__ = ["Finding", "blocking", "read_by_rules", "validate_declared", "validate_files"]


def validate_files(files: Mapping[str, bytes], environment: str | None = "production") -> list[Finding]:
    """All findings for the files of one commit, by path relative to its root, as a controller of `environment` sees it.

    With None, the deployments of every environment are judged.
    """
    return validate_declared(load(files, environment), files)


def validate_declared(declared: Declared, files: Mapping[str, bytes]) -> list[Finding]:
    """The same for what `load` has made of these files already.

    What the commit's own baseline names (`baseline.NAME`, if it is among the files) is left out, as by the CLI: what was
    accepted there must not hold a model back. A baseline that cannot be read hides nothing.
    """
    ours = {path: text for path, text in files.items() if path != baseline.NAME}
    findings = run(Context(declared, ours))
    if baseline.NAME not in files:
        return findings
    try:
        entries = baseline.parse(files[baseline.NAME])
    except NeedsPerson as error:
        fix = error.fix or ""
        broken = Finding(baseline.NAME, 1, 1, suppress.RULE_ID, "warning", f"it {error.message}, so it hides nothing", fix)
        return sorted([broken, *findings])
    return list(baseline.hide(findings, ours, entries)[0].kept)


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
