"""Runs the rules over a context and applies the severities of policies/governance.yaml.

Neighbours: registry.py lists the rules, api.py is what other rooms call.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.rules.context import Context, facts
from tidegate.rules.finding import Finding
from tidegate.rules.registry import RULES


def run(context: Context) -> list[Finding]:
    """Findings of all rules that governance has not switched off, in order of file and position.

    The context is all there is to judge: every model, and every file beside them.
    """
    if not context.facts:
        context = replace(context, facts=facts(context.declared))
    governance = context.declared.governance
    chosen = governance.value.rules if governance is not None else {}
    findings: list[Finding] = []
    for rule in RULES:
        severity = rule.severity if rule.fixed else chosen.get(rule.id, rule.severity)
        if severity != "off":
            findings += (replace(finding, severity=severity) for finding in rule.check(context))
    return sorted(findings)
