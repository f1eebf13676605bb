"""A name for each finding that outlives moved lines: for the baseline, and for what compares reports (SARIF, GitLab).

Pure. Made of rule, path, the text of the line, and which one of its like it is: not of line numbers or wording, so that
neither an edit above nor another Tidegate makes an old finding a new one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from tidegate.rules.finding import Finding
from tidegate.rules.suppress import BREAK


def fingerprints(findings: Iterable[Finding], sources: Mapping[str, bytes]) -> list[str]:
    """32 hex for each finding, unique among them, in their order. `sources`: contents by the findings' paths."""
    line = lines_of(sources)
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for finding in findings:
        whole = (finding.line, finding.column) == (1, 1)
        key = (finding.rule, finding.path, "" if whole else " ".join(line(finding.path, finding.line).split()))
        told = "\0".join((*key, str(seen[key])))
        found.append(hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32])
        seen[key] += 1
    return found


def lines_of(sources: Mapping[str, bytes]) -> Callable[[str, int], str]:
    """Gives a line of a source by path and number from 1, '' when there is none; a source is split once."""
    split: dict[str, list[str]] = {}

    def line(path: str, number: int) -> str:
        if path not in split:
            split[path] = BREAK.split(sources.get(path, b"").decode("utf-8-sig", "replace"))
        return split[path][number - 1] if 1 <= number <= len(split[path]) else ""

    return line
