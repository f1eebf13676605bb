"""`tidegate validate`: the options. Neighbours: validation.py does what they ask, quick.py reads the few that a hook gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    from tidegate.cli.validation import Wanted, carry_out

    code = carry_out(
        Wanted(
            paths=tuple(paths or ()),
            base=base,
            format=format,
            output=tuple(output or ()),
            fix=fix,
            unsafe_fixes=unsafe_fixes,
            diff=diff,
            baseline=baseline,
            no_baseline=no_baseline,
            write_baseline=write_baseline,
            cache=cache,
        )
    )
    if code:
        raise typer.Exit(code)
