"""What every reporter is given, and how text from files becomes safe to print.

Neighbours: cli/validate.py fills it, the reporters beside it print it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.rules.finding import Finding
from tidegate.rules.suppress import Silenced
from tidegate.spec.errors import TidegateError


@dataclass(frozen=True, slots=True)
class Report:
    """Findings in order, the number of files judged, and the files' contents by the findings' paths for excerpts.

    `excerpts`: whether a person at a terminal reads it and wants to see the line. `colours`: whether ANSI colours are
    wanted. `silenced`: what comments and the baseline hide. `places`: by path as shown, the path from the top of the git
    repository, as GitHub, GitLab and SARIF want it. `failure`: why nothing could be judged.
    """

    findings: Sequence[Finding]
    files: int
    sources: Mapping[str, bytes] = field(default_factory=dict)
    excerpts: bool = False
    colours: bool = False
    silenced: Sequence[Silenced] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    failure: TidegateError | None = None

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def summary(self) -> str:
        """One line for people: `12 files: 3 errors, 1 warning; 2 silenced; 1 can be fixed with --fix`."""
        counted = count(self.files, "file")
        warnings = len(self.findings) - self.errors
        found = [count(number, word) for number, word in ((self.errors, "error"), (warnings, "warning")) if number]
        hidden = sum(one.by == "baseline" for one in self.silenced)
        silenced = len(self.silenced) - hidden
        parts = [f"{counted}: {', '.join(found) or 'clean'}"]
        told = [f"{silenced} silenced"] if silenced else []
        told += [f"{hidden} in the baseline"] if hidden else []
        parts += [", ".join(told)] if told else []
        kinds = [self.fixable(finding) for finding in self.findings]
        for kind, option in (("safe", "--fix"), ("unsafe", "--unsafe-fixes")):
            if kind in kinds:
                parts.append(f"{kinds.count(kind)} can be fixed with {option}")
        return "; ".join(parts)

    def place(self, path: str) -> str:
        """The path from the top of the git repository."""
        return self.places.get(path, path)

    def fixable(self, finding: Finding) -> str | None:
        """Whether Tidegate can mend it: `safe`, `unsafe` (if the world can be asked), or None."""
        from tidegate.rules.fixes import mend_of, mended  # the catalogue: read only when there is something to tell

        mend = mend_of(finding, unsafe=True)
        if mend is None or finding.path not in self.sources:
            return None
        if not mend.safe:
            return "unsafe"
        return "safe" if mended(self.sources[finding.path], finding, mend, None) is not None else None


def printable(text: str) -> str:
    """The text on one line, with control characters and bytes that are no UTF-8 written as escapes."""
    return text if text.isprintable() else "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name, as Python carries it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def count(number: int, word: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {word}{'' if number == 1 else 's'}"
