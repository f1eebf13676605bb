"""GitLab's code quality report: a JSON list, compared between branches by its fingerprints."""

from __future__ import annotations

import json

from tidegate.rules.fingerprint import fingerprints
from tidegate.rules.report.machine import sound
from tidegate.rules.report.model import Report


def gitlab(report: Report) -> str:
    """The fields that GitLab documents: description, check_name, fingerprint, severity, location. `[]` when clean."""
    issues = [
        {
            "description": sound(f"{finding.message}. Fix: {finding.fix}"),
            "check_name": finding.rule,
            "fingerprint": fingerprint,
            "severity": "major" if finding.severity == "error" else "minor",
            "location": {"path": sound(report.place(finding.path)), "lines": {"begin": finding.line}},
        }
        for finding, fingerprint in zip(report.findings, fingerprints(report.findings, report.sources), strict=True)
    ]
    return json.dumps(issues, ensure_ascii=False, indent=1)
