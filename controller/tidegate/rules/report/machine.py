"""For programs: one JSON document with a version in it, or one JSON object a line."""

from __future__ import annotations

import json
from typing import Any

from tidegate.rules.finding import Finding
from tidegate.rules.report.model import Report


def as_json(report: Report) -> str:
    """`{"version": 1, "findings": [...], "files": N}`, also when there are no findings."""
    findings = [_plain(finding) for finding in report.findings]
    return json.dumps({"version": 1, "findings": findings, "files": report.files}, ensure_ascii=False, indent=2)


def as_jsonl(report: Report) -> str:
    """One finding a line, with the same fields as in the JSON document."""
    return "\n".join(json.dumps(_plain(finding), ensure_ascii=False) for finding in report.findings)


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "fix": finding.fix,
    }
