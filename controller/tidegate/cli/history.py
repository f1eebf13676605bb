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
    from tidegate.engine.settings import open_settings
    from tidegate.journal.reader import Reader

    with Reader(open_settings(config).journal) as journal:
        found = journal.history(route, limit=limit)
    if format is Format.JSON:
        print_json({"version": 1, "history": found})
        return
    for event in found:
        typer.echo(event_line(event))
    if not found:
        typer.echo("no release has come to an end yet", err=True)
