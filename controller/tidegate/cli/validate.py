"""`tidegate validate`: all rules over a work tree. Neighbours: cli/check/ judges, rules/report prints.

Nothing heavy is imported here: this is what a hook runs before every commit.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ReportFormat(StrEnum):
    """The reporters of rules/report."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    GITHUB = "github"


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files or folders to report on; a folder with models/ is a root itself."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="REF", help="A commit to compare with: merged versions must not change.")
    ] = None,
    format: Annotated[  # noqa: A002 the option's name
        ReportFormat, typer.Option("--format", help="text for people, json and jsonl for programs, github for Actions.")
    ] = ReportFormat.TEXT,
) -> None:
    """Check the configuration in the work tree: structure, references, pins, policies.

    Exit codes: 0 clean (warnings may be there), 1 errors, 2 nothing to validate or wrong usage.

    Example: tidegate validate --base origin/main
    """
    from tidegate.cli.check.judge import judge
    from tidegate.rules.report import Report, reporter

    judged = judge(paths or [], base)
    report = Report(judged.findings, judged.files, judged.sources, excerpts=sys.stdout.isatty())
    text = reporter(format)(report)
    if text:
        typer.echo(text)
    if format is ReportFormat.TEXT:
        typer.echo(report.summary, err=True)
    if report.errors:
        raise typer.Exit(1)
