"""For programs: one JSON document with a version in it, or one JSON object a line."""

from __future__ import annotations

import json
from typing import Any

from tidegate.rules.finding import Finding
from tidegate.rules.report.model import Report, printable


def as_json(report: Report) -> str:
    """`{"version": 1, "findings": [...], "files": N}`, also when there are no findings.

    `silenced` is there when something was; where nothing could be judged `error` says why.
    """
    document: dict[str, Any] = {
        "version": 1,
        "findings": [plain(finding) for finding in report.findings],
        "files": report.files,
    }
    if report.silenced:
        document["silenced"] = [
            plain(one.finding) | {"by": one.by, "reason": sound(one.reason)} for one in report.silenced
        ]
    if report.failure is not None:
        failure = report.failure
        told = {"message": failure.message, "where": failure.where, "fix": failure.fix}
        document["error"] = {name: text and sound(text) for name, text in told.items()}
    return json.dumps(document, ensure_ascii=False, indent=2)


def as_jsonl(report: Report) -> str:
    """One finding a line, with the same fields as in the JSON document."""
    return "\n".join(json.dumps(plain(finding), ensure_ascii=False) for finding in report.findings)


def plain(finding: Finding) -> dict[str, Any]:
    """One finding as JSON. Bytes of a path that are no UTF-8 are escaped."""
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "path": sound(finding.path),
        "line": finding.line,
        "column": finding.column,
        "message": sound(finding.message),
        "fix": sound(finding.fix),
    }


def sound(text: str) -> str:
    """The text without lone surrogates, which no encoding can carry; everything else as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(printable(one) if "\ud800" <= one <= "\udfff" else one for one in text)
    return text
