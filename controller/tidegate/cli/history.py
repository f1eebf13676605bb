"""`tidegate history`: what became of the releases of a route: promoted, rolled back, superseded; newest first."""

from __future__ import annotations

from typing import Annotated

import typer

from tidegate.cli.events import event_line
from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json


def history(
    route: Annotated[str | None, typer.Argument(metavar="[ROUTE]", help="A model, or model/feature; else all.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 20,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Print what became of the releases, newest first.

    Example: tidegate history digits --format json
    """
    from tidegate.cli.screen import report_text
    from tidegate.engine.settings import open_settings
    from tidegate.engine.summary import short_report
    from tidegate.journal.reader import Reader

    with Reader(open_settings(config).journal) as journal:
        found = journal.history(route, limit=limit)
        reports = {digest[:12]: doc for digest, doc in journal.reports().items()}
    found = [{**event, "validation": reports.get(event["release"])} for event in found]
    if format is Format.JSON:
        print_json({"version": 1, "history": found})
        return
    for event in found:
        typer.echo(event_line(event))
        if event["validation"] is not None:
            typer.echo(f"    {report_text(short_report(event['validation']))}")
    if not found:
        typer.echo("no release has come to an end yet", err=True)
