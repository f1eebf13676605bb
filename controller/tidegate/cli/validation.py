"""One run of `tidegate validate`: judge, mend, set aside what is known, and report.

Neighbours: validate.py is the command line, check/ judges, mend.py fixes, known.py has the baseline.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from tidegate.cli.check.judge import Judged, judge
from tidegate.cli.known import Known, sift, write
from tidegate.cli.outputs import echo, wants_colours
from tidegate.cli.roots import Roots
from tidegate.rules.report import Report
from tidegate.rules.report.model import count, printable


class Run:
    """What was asked, and what is there by now. `notes` are lines for people about what the run did."""

    def __init__(
        self, paths: Sequence[Path], base: str | None, baseline: Path | None, *, cache: bool, use_baseline: bool
    ) -> None:
        self.paths, self.base, self.baseline, self.cache, self.use_baseline = paths, base, baseline, cache, use_baseline
        self.notes: list[str] = []
        self._staged: bool | None = None
        self._look()

    def _look(self) -> None:
        self.judged: Judged = judge(self.paths, self.base, staged=self._staged, cache=self.cache)
        self.roots = Roots(self.judged.roots, Path.cwd())
        self.known = self._sifted()

    def _sifted(self) -> Known:
        if not self.use_baseline:
            return Known(self.judged.findings, self.judged.silenced)
        return sift(self.judged, self.roots, self.baseline, whole=self._whole)

    @property
    def _whole(self) -> bool:
        """Whether each root was judged from end to end, not a part of it."""
        return all(path.resolve() in self.roots.roots for path in self.paths)

    def mend(self, *, unsafe: bool) -> None:
        """Mend the files, and look again."""
        from tidegate.cli.mend import mends
        from tidegate.cli.mend import write as write_files

        self._in_the_work_tree()
        done = mends(self.known.findings, self.roots, self.base, unsafe=unsafe)
        write_files(done.edits)
        for edit in done.edits:
            rules = sorted({finding.rule for finding in done.fixed if finding.path == edit.path})
            self.notes.append(f"fixed {printable(edit.path)}: {', '.join(rules)}")
        if done.fixed:
            self.notes.append(f"fixed {count(len(done.fixed), 'finding')} in {count(len(done.edits), 'file')}")
        self.notes += done.refusals
        if done.edits:
            self._look()

    def show(self, *, unsafe: bool) -> int:
        """Print what mending would change; the exit code: 1 if anything would."""
        from tidegate.cli.mend import difference, mends

        self._in_the_work_tree()
        done = mends(self.known.findings, self.roots, self.base, unsafe=unsafe)
        colours = wants_colours(os.environ, terminal=sys.stdout.isatty())
        typer.echo(difference(done.edits, colours=colours), nl=False, color=colours)
        told = f"{count(len(done.fixed), 'finding')} in {count(len(done.edits), 'file')} would be fixed"
        echo("\n".join([*done.refusals, told]), err=True)
        return int(bool(done.edits))

    def write_baseline(self) -> None:
        """Make everything that is found a known finding."""
        self.notes.append(write(self.judged, self.roots, self.baseline, whole=self._whole))
        self.use_baseline = self.baseline is None or self.baseline.exists()
        self.known = self._sifted()

    def report(self, *, places: bool) -> Report:
        """Everything for the reporters. `places`: with the paths from the top of git, which CI systems want."""
        self.notes += [self.known.note] if self.known.note else []
        found = [*self.known.findings, *(one.finding for one in self.known.silenced)]
        terminal = sys.stdout.isatty()
        return Report(
            self.known.findings,
            self.judged.files,
            self.judged.sources,
            excerpts=terminal,
            colours=wants_colours(os.environ, terminal=terminal),
            silenced=self.known.silenced,
            places=self.roots.places({finding.path for finding in found}) if places else {},
        )

    def _in_the_work_tree(self) -> None:
        """Mends are made where people edit, not in git's index: judge that, if it was not judged so."""
        self._staged = False
        if os.environ.get("PRE_COMMIT") == "1":
            self._look()
