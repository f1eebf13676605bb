"""One run of `tidegate validate`: judge, mend, set aside what is known, and report.

Neighbours: validate.py is the command line, check/ judges, mend.py fixes, known.py has the baseline.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.cli.check.judge import Judged, judge
from tidegate.cli.known import Known, sift, write
from tidegate.cli.outputs import chosen, echo, wants_colours, write_bytes, wrong
from tidegate.cli.roots import Roots
from tidegate.rules.report import Report
from tidegate.rules.report.model import count, printable
from tidegate.spec.errors import TidegateError


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of `tidegate validate`, as its help explains them."""

    paths: tuple[Path, ...] = ()
    base: str | None = None
    format: str | None = None
    output: tuple[str, ...] = ()
    fix: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    baseline: Path | None = None
    no_baseline: bool = False
    write_baseline: bool = False
    cache: bool = True


def carry_out(wanted: Wanted) -> int:
    """Do what the options ask, print it, and return the exit code: 1 for errors, or with `diff` for a difference.

    Raises typer.BadParameter for options that make no sense, NeedsPerson for what keeps it from judging or writing.
    """
    outputs = chosen(wanted.format, wanted.output, os.environ)
    _fit_together(wanted)
    try:
        baseline = not (wanted.no_baseline or wanted.write_baseline)
        run = Run(wanted.paths, wanted.base, wanted.baseline, cache=wanted.cache, use_baseline=baseline)
        if wanted.diff:
            return run.show(unsafe=wanted.unsafe_fixes)
        if wanted.fix or wanted.unsafe_fixes:
            run.mend(unsafe=wanted.unsafe_fixes)
        if wanted.write_baseline:
            run.write_baseline()
        report = run.report(places=outputs.for_machines)
    except TidegateError as error:
        outputs.write(Report([], 0, failure=error))
        raise
    outputs.write(report)
    if outputs.for_people:
        echo("\n".join([*run.notes, report.summary]), err=True)
    return int(bool(report.errors))


def _fit_together(wanted: Wanted) -> None:
    """Raises typer.BadParameter for options that contradict each other."""
    off, written = wanted.no_baseline, wanted.write_baseline
    if off and (wanted.baseline is not None or written):
        raise wrong("goes with neither --baseline nor --write-baseline", "--no-baseline")
    if written and (wanted.diff or wanted.fix or wanted.unsafe_fixes):
        raise wrong("comes after the fixes: run the two one after the other", "--write-baseline")


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
        write_bytes(difference(done.edits, colours=colours))
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
