"""For people: file:line:column, severity, rule, message, the fix, and at a terminal the line itself with a caret."""

from __future__ import annotations

from tidegate.rules.finding import Finding
from tidegate.rules.report.model import Report

_WIDEST = 120


def text(report: Report) -> str:
    """One finding after the other; nothing when there is none."""
    return "\n".join(line for finding in report.findings for line in _lines(finding, report))


def _lines(finding: Finding, report: Report) -> list[str]:
    place = f"{finding.path}:{finding.line}:{finding.column}"
    lines = [f"{place}: {finding.severity} {finding.rule}: {finding.message}"]
    if report.excerpts:
        lines += _excerpt(finding, report.sources.get(finding.path, b""))
    return [*lines, f"  fix: {finding.fix}"]


def _excerpt(finding: Finding, source: bytes) -> list[str]:
    lines = source.decode("utf-8-sig", "replace").splitlines()
    if not 1 <= finding.line <= len(lines):
        return []
    line = "".join(character if character.isprintable() else " " for character in lines[finding.line - 1])
    start = max(0, finding.column - _WIDEST)
    gutter = f"  {finding.line} | "
    caret = " " * (finding.column - 1 - start)
    return [f"{gutter}{line[start : start + _WIDEST]}", f"{' ' * (len(gutter) - 2)}| {caret}^"]
