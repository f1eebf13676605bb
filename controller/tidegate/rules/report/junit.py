"""JUnit XML, for CI systems that show tests: an error is a failed case, a warning a skipped one, a clean run one that passes."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from tidegate.rules.report.machine import sound
from tidegate.rules.report.model import Report

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document may hold, not even escaped."""


def junit(report: Report) -> str:
    """One test suite. A case's class is the file, its name the rule and the place; several findings are several cases."""
    cases = []
    for finding in report.findings:
        path = report.place(finding.path)
        name = f"{finding.rule} ({finding.line}:{finding.column})"
        head = f'  <testcase classname={_attribute(path)} name={_attribute(name)} time="0">'
        message = _attribute(finding.message)
        if finding.severity == "error":
            text = f"{path}:{finding.line}:{finding.column}: {finding.message}\nfix: {finding.fix}"
            body = f"<failure type={_attribute(finding.rule)} message={message}>{_text(text)}</failure>"
        else:
            body = f"<skipped message={_attribute(f'warning: {finding.message}; fix: {finding.fix}')}/>"
        cases.append(f"{head}{body}</testcase>")
    errors = 0
    if report.failure is not None:
        errors = 1
        told = f'<error type="configuration" message={_attribute(report.failure.message)}>{_text(str(report.failure))}</error>'
        cases.append(f'  <testcase classname="tidegate" name="validate" time="0">{told}</testcase>')
    elif not cases:
        cases.append('  <testcase classname="tidegate" name="validate" time="0"/>')
    skipped = len(report.findings) - report.errors
    counts = f'tests="{len(cases)}" failures="{report.errors}" errors="{errors}" skipped="{skipped}" time="0"'
    suite = "\n".join([f'<testsuite name="tidegate validate" {counts}>', *cases, "</testsuite>"])
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suite}\n</testsuites>'


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", sound(text)))


def _attribute(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", sound(text)), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
