"""What every reporter is given. Neighbours: cli/validate.py fills it, the reporters beside it print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.rules.finding import Finding


@dataclass(frozen=True, slots=True)
class Report:
    """Findings in order, the number of files judged, and the files' contents by the findings' paths for excerpts.

    `excerpts`: whether a person at a terminal reads it and wants to see the line.
    """

    findings: Sequence[Finding]
    files: int
    sources: Mapping[str, bytes] = field(default_factory=dict)
    excerpts: bool = False

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def summary(self) -> str:
        """One line for people: `12 files: 3 errors, 1 warning`."""
        counted = _count(self.files, "file")
        warnings = len(self.findings) - self.errors
        found = [_count(number, word) for number, word in ((self.errors, "error"), (warnings, "warning")) if number]
        return f"{counted}: {', '.join(found) or 'clean'}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
