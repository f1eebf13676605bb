"""`tidegate history`: what became of the releases of a route: promoted, rolled back, superseded; newest first.

With --plot: the evidence of its newest trial over time, as figures/ draws it of what the journal kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.events import event_line
from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json
from tidegate.spec.errors import NeedsPerson

if TYPE_CHECKING:
    from tidegate.cli.figures.story import Story
    from tidegate.journal.reader import Reader

MANY = 10_000
"""Events of a route in which a trial's are looked for."""


def history(
    route: Annotated[str | None, typer.Argument(metavar="[ROUTE]", help="A model, or model/feature; else all.")] = None,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where --plot draws to, in .svg or .png; else here.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 20,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the evidence of the newest trial over time.")] = False,
    release: Annotated[
        str | None, typer.Option(help="Draw that of this release: its version or short id, as printed here.")
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="A drawn FILE is for dark pages.")] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Print what became of the releases, newest first; or draw how a trial was decided.

    Example: tidegate history digits --plot evidence.svg
    """
    from tidegate.cli.figures.show import show
    from tidegate.cli.figures.target import target
    from tidegate.cli.screen import report_text
    from tidegate.engine.settings import open_settings
    from tidegate.engine.summary import short_report
    from tidegate.journal.reader import Reader

    path, others = target([file] if file is not None else [], plot)
    if others:
        raise typer.BadParameter(f"{others[0]} ends neither in .svg nor in .png", param_hint="FILE")
    with Reader(open_settings(config).journal) as journal:
        if plot:
            show(_story(journal, route, release), path, dark=dark)
            return
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


def _story(journal: Reader, route: str | None, release: str | None) -> Story:
    """The newest trial that there is evidence of. Raises NeedsPerson when there is none."""
    from tidegate.cli.figures.journaled import story

    if route is None:
        known = ", ".join(sorted({one["route"] for one in journal.last_trails()})) or "none yet"
        raise NeedsPerson("--plot needs a route", fix=f"name one with evidence: {known}")
    trials = journal.trails(route, limit=50)
    events = journal.events(route, limit=MANY)
    versions = {event["release"]: event["version"] for event in events}
    wanted = [one for one in trials if release in (None, one["release"], versions.get(one["release"]))]
    if not wanted:
        what = f"{route} has no evidence of {release}" if release else f"{route} has had no candidate in traffic yet"
        seen = ", ".join(dict.fromkeys(f"{versions.get(o['release'], '?')} ({o['release']})" for o in trials)) or "none"
        raise NeedsPerson(what, fix=f"trials that can be drawn: {seen}")
    return story(route, wanted[0], events, journal.state(route))
