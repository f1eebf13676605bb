"""`tidegate status`: what serves and why, from the running controller; from the journal alone when none runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json
from tidegate.spec.errors import NeedsPerson

if TYPE_CHECKING:
    from tidegate.engine.settings import Settings

REFRESH = 0.5
PIPED_WIDTH = 160


def status(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="One model and its features; else all.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay and follow, until ^C.")] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Show what serves, what is on trial, and what is wrong.

    Example: tidegate status digits --watch
    """
    from tidegate.engine.settings import open_settings

    settings = open_settings(config)
    if watch and format is Format.JSON:
        raise typer.BadParameter("--watch is for people; poll --format json instead", param_hint="--watch")
    if watch:
        _watch(settings, model)
        return
    doc = _doc(settings, model)
    if format is Format.JSON:
        print_json(doc)
        return
    from rich.console import Console

    from tidegate.cli.screen import render_status

    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPED_WIDTH)
    console.print(render_status(doc))


def _watch(settings: Settings, model: str | None) -> None:
    from rich.live import Live

    from tidegate.cli.screen import render_status

    with Live(render_status(_doc(settings, model)), refresh_per_second=4, screen=False) as live:
        while True:
            time.sleep(REFRESH)
            live.update(render_status(_doc(settings, model)))


def _doc(settings: Settings, model: str | None) -> dict[str, Any]:
    from tidegate.engine.live import fresh, read_live
    from tidegate.engine.status import stored_status

    live = read_live(settings.state)
    doc = live if live is not None and fresh(live) else stored_status(settings.journal)
    if model is not None:
        doc["routes"] = [route for route in doc["routes"] if route["route"].partition("/")[0] == model]
        if not doc["routes"]:
            raise NeedsPerson(f"no route of model '{model}' is known here", fix="tidegate status lists all")
    return doc
