"""Runs the rules over a context, whole or in parts, and applies the severities of policies/governance.yaml.

Neighbours: registry.py lists the rules, api.py is what other rooms call, cli/check/ judges part by part. A part is some
models' folders, or what belongs to no model: the findings of all parts together are those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tidegate.rules.context import Context, facts
from tidegate.rules.finding import Finding
from tidegate.rules.registry import RULES
from tidegate.rules.rule import Rule, Severity
from tidegate.rules.suppress import RULE_ID, Excuse, Sifted, apply, excuses_of
from tidegate.spec.declared import Declared


def run(context: Context) -> list[Finding]:
    """Findings of all rules that governance has not switched off, in order of file and position.

    The context is all there is to judge: every model, and every file beside them.
    """
    return list(sift(context).kept)


def sift(context: Context) -> Sifted:
    """The same, and with them what comments in the files silence."""
    if not context.facts:
        context = replace(context, facts=facts(context.declared))
    found = [*_models(context), *_general(context)]
    return settle(found, excuses_of(context.files), context.declared, complete=context.today is not None)


def settle(
    findings: Iterable[Finding], notes: Mapping[str, Sequence[Excuse]], declared: Declared, *, complete: bool
) -> Sifted:
    """The findings of all parts, once the comments of all files (`notes`) have had their say: they are sifted together,
    since a comment in one part may answer a finding of another. `declared` needs to hold the governance only."""
    sifted = apply(findings, notes, complete=complete)
    severity = next((chosen for rule, chosen in _chosen(declared) if rule.id == RULE_ID), None)
    kept = tuple(
        finding if finding.rule != RULE_ID or severity is None else replace(finding, severity=severity)
        for finding in sifted.kept
        if finding.rule != RULE_ID or severity is not None
    )
    return replace(sifted, kept=kept)


def run_models(context: Context) -> list[Finding]:
    """The findings in the folders of `declared.models`, one or many. The policies and the governance stand beside them.

    `files` are these folders' and those that belong to no model; the same goes for the history.
    """
    return sorted(_models(context))


def run_general(context: Context) -> list[Finding]:
    """The findings about what belongs to no model. `facts` are those of all models; of their files none is looked at."""
    return sorted(_general(context))


def in_model(path: str) -> bool:
    """Whether a path lies in a model's folder, or is one."""
    return path.startswith("models/")


def _models(context: Context) -> Iterator[Finding]:
    own = replace(context, files={path: text for path, text in context.files.items() if in_model(path)},
                  declared=_beside(context.declared, own=True))  # fmt: skip
    for rule, chosen in _chosen(context.declared):
        if rule.scope != "general":
            found = rule.check(own if rule.scope == "file" else context)
            yield from _tuned((finding for finding in found if in_model(finding.path)), chosen)


def _general(context: Context) -> Iterator[Finding]:
    own = replace(context, files={path: text for path, text in context.files.items() if not in_model(path)},
                  declared=_beside(context.declared, own=False))  # fmt: skip
    for rule, chosen in _chosen(context.declared):
        if rule.scope == "general":
            yield from _tuned(rule.check(own), chosen)
        elif rule.scope == "file":
            yield from _tuned((finding for finding in rule.check(own) if not in_model(finding.path)), chosen)


def _beside(declared: Declared, *, own: bool) -> Declared:
    """The models without what stands beside them, or that alone."""
    problems = tuple(problem for problem in declared.problems if in_model(problem.path) == own)
    if own:
        return replace(declared, policies={}, controller=None, problems=problems)
    return replace(declared, models={}, problems=problems)


def _chosen(declared: Declared) -> Iterator[tuple[Rule, Severity]]:
    """Every rule that is on, with its severity."""
    governance = declared.governance
    chosen = governance.value.rules if governance is not None else {}
    for rule in RULES:
        severity = rule.severity if rule.fixed else chosen.get(rule.id, rule.severity)
        if severity != "off":
            yield rule, severity


def _tuned(findings: Iterable[Finding], severity: Severity) -> Iterator[Finding]:
    for finding in findings:
        yield finding if finding.severity == severity else replace(finding, severity=severity)
