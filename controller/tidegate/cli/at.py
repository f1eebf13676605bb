"""`tidegate at`: what was in production at a time, from the journal and git's notes; from git alone where there is no journal."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json

if TYPE_CHECKING:
    from tidegate.engine.settings import Settings
    from tidegate.gitrepo.mirror import Mirror

ALL_EVENTS = 10_000_000


def at(
    time: Annotated[
        str, typer.Argument(metavar="TIME", help="2026-11-21T04:54Z, 2026-11-21, or 2h for two hours ago.")
    ],
    route: Annotated[str | None, typer.Option(help="Only this route, MODEL or MODEL/FEATURE.")] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Say what was in production at a time on each route, and who says so.

    The journal knows every share; without it git's notes tell what had been promoted. Exit 1 when nothing is known.

    Example: tidegate at 2026-11-21T04:54Z --route digits
    """
    import tempfile
    from time import time as now

    from tidegate.audit.past import from_notes, joined
    from tidegate.audit.times import moment, shown
    from tidegate.cli.answers import past_text
    from tidegate.engine.lineage import reading_mirror
    from tidegate.engine.settings import open_settings
    from tidegate.gitrepo.record import notes_of

    settings = open_settings(config)
    try:
        then = moment(time, now())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="TIME") from error
    events, began = _events(settings, then)
    with tempfile.TemporaryDirectory(prefix="tidegate-at-") as folder:
        mirror = reading_mirror(settings, Path(folder))
        notes = notes_of(mirror.git)
        asked = _asked(mirror, then)
    found = joined(events, from_notes(notes, settings.controller.environment, then), notes)
    routes = [asdict(one) for one in found if route in (None, one.route)]
    if format is Format.JSON:
        print_json({"version": 1, "at": then, "journal_begins": began, "asked": asked, "routes": routes})
    else:
        typer.echo(f"at {shown(then)}, environment {settings.controller.environment}")
        for line in past_text(routes):
            typer.echo(line)
        if asked is not None:
            typer.echo(
                f"the branch was at {asked['commit'][:12]} {asked['subject']}, by the time that its commits bear"
            )
        if began is None or then < began:
            since = f"begins {shown(began)}" if began else "is not here"
            typer.echo(f"the journal {since}: what is said is from git's notes alone", err=True)
    if not routes:
        if format is Format.TEXT:
            typer.echo("nothing is known of that time", err=True)
        raise typer.Exit(1)


def _events(settings: Settings, then: float) -> tuple[dict[str, Any], float | None]:
    """What the journal says of that moment, and since when it knows anything; None without one."""
    from tidegate.audit.past import from_events
    from tidegate.journal.database import journal_path
    from tidegate.journal.reader import Reader

    if not journal_path(settings.journal).is_file():
        return {}, None
    with Reader(settings.journal) as journal:
        first = journal.events(after=0, limit=1)
        return from_events(journal.events(until=then, limit=ALL_EVENTS)), first[0]["at"] if first else None


def _asked(mirror: Mirror, then: float) -> dict[str, Any] | None:
    """The newest commit of the branch that bears a time up to then."""
    head = mirror.head()
    if head is None:
        return None
    commit = mirror.git.run("rev-list", "-1", f"--before={int(then)}", head).decode().strip()
    if not commit:
        return None
    info = mirror.describe(commit)
    return {"commit": info.commit, "subject": info.subject, "at": info.time}
