"""For people: file:line:column, severity, rule, message, the fix, and at a terminal the line itself, marked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from tidegate.rules.finding import Finding
from tidegate.rules.fingerprint import lines_of
from tidegate.rules.report.model import Report, printable

_WIDEST = 120
_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\s,\[\]{}#:\"'](?:[^\s,\[\]{}:]|:(?=\S))*")
_STYLES = {"error": "1;31", "warning": "1;33", "bold": "1", "mark": "1;31", "gutter": "34", "fix": "36", "dim": "2"}


def text(report: Report) -> str:
    """One finding after the other; nothing when there is none. At a terminal an empty line stands between them."""
    line = lines_of(report.sources)
    found = ["\n".join(_lines(finding, report, line)) for finding in report.findings]
    return ("\n\n" if report.excerpts else "\n").join(found)


def _lines(finding: Finding, report: Report, line: Callable[[str, int], str]) -> list[str]:
    def styled(text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if report.colours else text

    place = styled(f"{printable(finding.path)}:{finding.line}:{finding.column}:", "bold")
    severity = styled(finding.severity, finding.severity)
    lines = [f"{place} {severity} {styled(finding.rule, 'bold')}: {printable(finding.message)}"]
    if report.excerpts:
        lines += _excerpt(finding, line(finding.path, finding.line), styled)
    able = report.fixable(finding) if report.excerpts else None
    offer = styled(f"  ({'--fix' if able == 'safe' else '--unsafe-fixes'} does it)", "dim") if able else ""
    return [*lines, f"  {styled('fix:', 'fix')} {printable(finding.fix)}{offer}"]


def _excerpt(finding: Finding, source: str, styled: Callable[[str, str], str]) -> list[str]:
    if not source.strip():
        return []
    source = "".join(character if character.isprintable() else " " for character in source)
    start = max(0, finding.column - _WIDEST + _WIDEST // 4 if finding.column > _WIDEST else 0)
    shown = source[start : start + _WIDEST].rstrip()
    index = finding.column - 1 - start
    whole = (finding.line, finding.column) == (1, 1)  # the file is meant, not its first word
    token = None if whole else _TOKEN.match(shown, index)
    marked = _width(token[0]) if token else 1
    gutter = f"  {finding.line} |"
    marks = " " * _width(shown[:index].ljust(index)) + styled("^" + "~" * (marked - 1), "mark")
    return [
        f"{styled(gutter, 'gutter')} {shown}",
        f"{styled(' ' * (len(gutter) - 1) + '|', 'gutter')} {marks}",
    ]


def _width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
