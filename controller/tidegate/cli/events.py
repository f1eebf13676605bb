"""`tidegate events`: everything that happened to the routes, in order, from the journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json


def events(
    route: Annotated[str | None, typer.Argument(metavar="[ROUTE]", help="A model, or model/feature; else all.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 50,
    since: Annotated[str | None, typer.Option(help="Only the last such time, like 2h or 10m.")] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Print events, oldest first.

    Example: tidegate events digits --since 1h
    """
    import time

    from tidegate.engine.settings import open_settings
    from tidegate.journal.reader import Reader
    from tidegate.spec.units import parse_duration

    try:
        earliest = time.time() - parse_duration(since) if since else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
    with Reader(open_settings(config).journal) as journal:
        found = journal.events(route, since=earliest, limit=limit)
    if format is Format.JSON:
        print_json({"version": 1, "events": found})
        return
    for event in found:
        typer.echo(event_line(event))
    if not found:
        typer.echo("no events", err=True)


def event_line(event: dict[str, Any]) -> str:
    """One event for people: when, where, what, why."""
    at = datetime.fromtimestamp(event["at"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    step = f" {event['step']}" if event.get("step") else ""
    weights = " ".join(f"{name}={share:g}%" for name, share in event.get("weights", {}).items())
    shown = f"  [{weights}]" if weights else ""
    return f"{at}  {event['route']:<20} {event['kind'] + step:<24} {event['version']:<10} {event['reason']}{shown}"
