"""SARIF 2.1.0, for code scanning: the rules with their pages, the findings, and what was silenced with its reason.

Paths are relative to the top of the git repository, percent-encoded byte by byte. Facts about the format: OASIS, SARIF
Version 2.1.0, and GitHub's "SARIF support for code scanning".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from tidegate import __version__
from tidegate.rules.finding import Finding
from tidegate.rules.fingerprint import fingerprints, lines_of
from tidegate.rules.report.machine import sound
from tidegate.rules.report.model import Report
from tidegate.rules.rule import Rule

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(report: Report) -> str:
    """One log with one run; valid also when there is nothing in it, or when nothing could be judged."""
    from tidegate.rules.registry import RULES

    index = {rule.id: number for number, rule in enumerate(RULES)}
    findings = [*report.findings, *(one.finding for one in report.silenced)]
    line = lines_of(report.sources)
    results = [
        _result(finding, fingerprint, index, report, line)
        for finding, fingerprint in zip(findings, fingerprints(findings, report.sources), strict=True)
    ]
    for result, one in zip(results[len(report.findings) :], report.silenced, strict=True):
        kind = "inSource" if one.by == "comment" else "external"
        result["suppressions"] = [{"kind": kind, "status": "accepted", "justification": sound(one.reason)}]
    driver = {
        "name": "Tidegate",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(rule) for rule in RULES],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=1)


def _rule(rule: Rule) -> dict[str, Any]:
    from tidegate.rules.pages import page, section

    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.manual.strip()},
        "help": {"text": page(rule), "markdown": section(rule)},
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": [rule.family], "precision": "very-high", "problem.severity": rule.severity},
    }


def _result(
    finding: Finding, fingerprint: str, index: dict[str, int], report: Report, line: Callable[[str, int], str]
) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": finding.line, "startColumn": finding.column}
    text = sound(line(finding.path, finding.line))
    if text.strip():
        region["snippet"] = {"text": text}
    place = {"uri": uri(report.place(finding.path)), "uriBaseId": "%SRCROOT%"}
    found: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": sound(f"{finding.message}\nFix: {finding.fix}")},
        "locations": [{"physicalLocation": {"artifactLocation": place, "region": region}}],
        "partialFingerprints": {"tidegate/v1": fingerprint},
    }
    return found | ({"ruleIndex": index[finding.rule]} if finding.rule in index else {})


def _invocation(report: Report) -> dict[str, Any]:
    if report.failure is None:
        return {"executionSuccessful": True}
    notification = {"level": "error", "message": {"text": sound(str(report.failure))}}
    return {"executionSuccessful": False, "toolConfigurationNotifications": [notification]}


def uri(path: str) -> str:
    """A relative reference for a path, its bytes percent-encoded; a first part with a colon is no scheme."""
    encoded = quote(path.encode("utf-8", "surrogateescape"), safe="/~-._")
    return encoded if encoded else "."
