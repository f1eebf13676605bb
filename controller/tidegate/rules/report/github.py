"""For GitHub Actions: workflow commands that put each finding beside its line in the pull request."""

from __future__ import annotations

from tidegate.rules.finding import Finding
from tidegate.rules.report.model import Report


def github(report: Report) -> str:
    """`::error file=...,line=...,col=...,title=RULE::message`, escaped as the runner wants it."""
    return "\n".join(_command(finding) for finding in report.findings)


def _command(finding: Finding) -> str:
    place = f"file={_property(finding.path)},line={finding.line},col={finding.column}"
    text = _data(f"{finding.message}\nfix: {finding.fix}")
    return f"::{finding.severity} {place},title={_property(finding.rule)}::{text}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
