"""The baseline of each root that was judged: read, honoured, written.

Neighbours: rules/baseline.py knows the format (pure), validate.py calls, roots.py turns paths around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.cli.check.judge import Judged
from tidegate.cli.roots import Roots
from tidegate.rules.baseline import NAME, Entry, hide, parse, render
from tidegate.rules.finding import Finding
from tidegate.rules.report.model import count
from tidegate.rules.suppress import Silenced
from tidegate.spec.errors import NeedsPerson


@dataclass(frozen=True, slots=True)
class Known:
    """What stays to be told, what is silenced, and how many entries of a baseline find nothing any more."""

    findings: tuple[Finding, ...]
    silenced: tuple[Silenced, ...]
    gone: int = 0

    @property
    def note(self) -> str:
        """A line for people about entries that are no longer needed; '' when there are none."""
        if not self.gone:
            return ""
        entries = "1 entry finds" if self.gone == 1 else f"{self.gone} entries find"
        return f"the baseline can shrink: {entries} nothing any more; --write-baseline takes them out"


def sift(judged: Judged, roots: Roots, file: Path | None, *, whole: bool) -> Known:
    """The findings without those in the baseline: `file`, or the one at each root that has one.

    `whole`: everything was judged, so what is not found is gone. Raises NeedsPerson for a file that is no baseline.
    """
    kept: list[Finding] = []
    silenced = list(judged.silenced)
    gone = 0
    for root, findings in roots.split(judged.findings).items():
        entries = _entries(file or root / NAME, needed=file is not None)
        sources = _sources(judged, roots, root, findings)
        sifted, lost = hide(findings, sources, entries)
        names = {finding.path: roots.shown(root, finding.path) for finding in findings}
        moved = sifted.moved(names)
        kept += moved.kept
        silenced += moved.silenced
        gone += lost if whole else 0
    return Known(tuple(sorted(kept)), tuple(silenced), gone)


def write(judged: Judged, roots: Roots, file: Path | None, *, whole: bool) -> str:
    """Write the baseline of the one root; without a finding in it, take the file away. Returns what to tell people.

    Raises NeedsPerson for several roots, or where only a part was judged: it would forget the others.
    """
    if len(roots.roots) != 1 or not whole:
        fix = "run it without PATH, or with the folder of one repository"
        raise NeedsPerson("a baseline is written for one whole repository", where="--write-baseline", fix=fix)
    root = roots.roots[0]
    target = file or root / NAME
    findings = roots.split(judged.findings)[root]
    before = len(_entries(target, needed=False, lenient=True))
    text, number = render(findings, _sources(judged, roots, root, findings))
    try:
        if number:
            target.write_bytes(text)
        else:
            target.unlink(missing_ok=True)
    except OSError as error:
        fix = "look at the permissions, or name another file with --baseline"
        raise NeedsPerson(f"cannot be written: {error.strerror}", where=str(target), fix=fix) from error
    if not number:
        return "no baseline is needed: nothing is found" + (f"; removed {target.name}" if before else "")
    return f"wrote {count(number, 'finding')} to {target.name}" + (f" ({before} before)" if before else "")


def _entries(file: Path, *, needed: bool, lenient: bool = False) -> tuple[Entry, ...]:
    """The entries of a file. `needed`: it must be there. `lenient`: what is no baseline has none."""
    try:
        return parse(file.read_bytes(), str(file))
    except FileNotFoundError as error:
        if needed:
            fix = "look at the spelling, or make it with --write-baseline"
            raise NeedsPerson("there is no such file", where=str(file), fix=fix) from error
        return ()
    except OSError as error:
        raise NeedsPerson(
            f"cannot be read: {error.strerror}", where=str(file), fix="look at its permissions"
        ) from error
    except NeedsPerson:
        if not lenient:
            raise
        return ()


def _sources(judged: Judged, roots: Roots, root: Path, findings: Sequence[Finding]) -> dict[str, bytes]:
    shown = {finding.path: roots.shown(root, finding.path) for finding in findings}
    return {path: judged.sources[name] for path, name in shown.items() if name in judged.sources}
