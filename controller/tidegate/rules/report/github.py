"""For GitHub Actions: workflow commands that put each finding beside its line in the pull request.

GitHub shows ten errors and ten warnings of a step, so the errors come first; the log shows all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from tidegate.rules.finding import Finding
from tidegate.rules.report.model import Report, printable

SHOWN: Final = 10
"""How many annotations of one severity GitHub shows of a step; it drops the others without a word."""


def github(report: Report) -> str:
    """`::error file=...,line=...,col=...,title=RULE::message`, escaped as the runner wants it."""
    ordered = sorted(report.findings, key=lambda finding: finding.severity != "error")
    lines = [_command(finding, report.place(finding.path)) for finding in ordered]
    if report.failure is not None:
        lines.append(f"::error title=tidegate validate::{_data(str(report.failure))}")
    return "\n".join(lines)


def shown(findings: Sequence[Finding]) -> list[Finding]:
    """Those that GitHub would show, for a log that tells all findings anyway."""
    severities = ("error", "warning")
    return [f for severity in severities for f in islice((f for f in findings if f.severity == severity), SHOWN)]


def _command(finding: Finding, path: str) -> str:
    place = f"file={_property(printable(path))},line={finding.line},col={finding.column}"
    text = _data(f"{finding.message}\nfix: {finding.fix}")
    return f"::{finding.severity} {place},title={_property(finding.rule)}::{text}"


def _data(text: str) -> str:
    text = "\n".join(printable(line) for line in text.replace("\r\n", "\n").split("\n"))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
