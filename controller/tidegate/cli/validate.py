"""`tidegate validate`: all rules over a work tree. Neighbours: validation.py runs, outputs.py prints.

Nothing heavy is imported here: this is what a hook runs before every commit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tidegate.spec.errors import TidegateError

_FORMATS = "text, json, jsonl, github, sarif, junit or gitlab; text,github for both"


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files or folders to report on; a folder with models/ is a root itself."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="REF", help="What to compare with: what is merged there stays. REF.. means that very commit."
        ),
    ] = None,
    format: Annotated[  # noqa: A002 the option's name
        str | None, typer.Option("--format", metavar="FORMAT", help=f"What to print: {_FORMATS}. [default: text]")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[FORMAT:]FILE",
            help="Write a report to a file as well, such as report.sarif or gitlab:quality.json. May be repeated.",
        ),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without changing what is meant.")] = False,
    unsafe_fixes: Annotated[
        bool,
        typer.Option(
            "--unsafe-fixes",
            help="Mend also what needs a decision: a tag becomes the digest that it stands for now. Look at it before you merge.",
        ),
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix or --unsafe-fixes would change, and change nothing.")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Findings that are known and not told. [default: .tidegate-baseline.json]"),
    ] = None,
    no_baseline: Annotated[bool, typer.Option("--no-baseline", help="Tell the known findings, too.")] = False,
    write_baseline: Annotated[
        bool, typer.Option("--write-baseline", help="Make all findings of today known ones.")
    ] = False,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Use what the last run found out.")] = True,
) -> None:
    """Check the configuration: can it be read, does it fit together, is it pinned, measured, safe to roll out?

    Findings stand on standard output, counts on standard error. Exit codes: 0 clean (warnings may be there), 1 errors,
    2 nothing to validate or wrong usage. With --diff: 1 if something would change.

    \b
    Example: tidegate validate --base origin/main
             tidegate validate models/digits            report on one folder only
             tidegate validate --fix                    mend what is safe to mend
             tidegate validate --unsafe-fixes --diff    see what the rest would become
             tidegate validate --output report.sarif    text here, SARIF in a file
             tidegate validate --write-baseline         accept what is there, see only what is new
    """
    from tidegate.cli.outputs import chosen
    from tidegate.cli.validation import Run
    from tidegate.rules.report import Report

    outputs = chosen(format, output or [], os.environ)
    _fit_together(diff=diff, fix=fix or unsafe_fixes, write=write_baseline, named=baseline is not None, off=no_baseline)
    try:
        run = Run(paths or (), base, baseline, cache=cache, use_baseline=not (no_baseline or write_baseline))
        if diff:
            raise typer.Exit(run.show(unsafe=unsafe_fixes))
        if fix or unsafe_fixes:
            run.mend(unsafe=unsafe_fixes)
        if write_baseline:
            run.write_baseline()
        report = run.report(places=outputs.for_machines)
    except TidegateError as error:
        outputs.write(Report([], 0, failure=error))
        raise
    outputs.write(report)
    if outputs.for_people:
        typer.echo("\n".join([*run.notes, report.summary]), err=True)
    if report.errors:
        raise typer.Exit(1)


def _fit_together(*, diff: bool, fix: bool, write: bool, named: bool, off: bool) -> None:
    """Raises typer.BadParameter for options that contradict each other."""
    if off and (named or write):
        raise typer.BadParameter("goes with neither --baseline nor --write-baseline", param_hint="'--no-baseline'")
    if write and (diff or fix):
        raise typer.BadParameter(
            "comes after the fixes: run the two one after the other", param_hint="'--write-baseline'"
        )
