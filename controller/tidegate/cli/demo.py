"""`tidegate demo`: the guided tour on real parts: git, Envoy, model servers, and scans of digits as traffic."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from tidegate.cli.tour.chapters import Tour
    from tidegate.cli.tour.report import Chapter
    from tidegate.cli.tour.traffic import Traffic
    from tidegate.cli.tour.world import World

RATE = 250.0


class DemoRuntime(StrEnum):
    """Where the demo's model servers run."""

    AUTO = "auto"
    DOCKER = "docker"
    PROCESS = "process"


def demo(
    runtime: Annotated[
        DemoRuntime, typer.Option(help="auto: docker where an engine answers, else process.")
    ] = DemoRuntime.AUTO,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's folder, to look around in it.")] = False,
    rate: Annotated[float, typer.Option(min=150.0, max=1000.0, help="Requests a second.")] = RATE,
) -> None:
    """Show the main job: releases that walk their steps, and a bad one that takes itself back. Two minutes.

    Example: tidegate demo --runtime process
    """
    import tempfile

    from rich.console import Console

    from tidegate.cli.tour.prepare import prepare

    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    try:
        world, scans = prepare(folder, runtime.value, console)
        ok = _tour(world, scans, rate, console)
    finally:
        if keep:
            console.print(f"kept: {folder}")
        else:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)
    if not ok:
        raise typer.Exit(1)


def _tour(world: World, scans: Path, rate: float, console: Console) -> bool:
    from tidegate.cli.tour.chapters import Tour
    from tidegate.cli.tour.screen import Screen
    from tidegate.cli.tour.traffic import Traffic, recorded_scans

    traffic = Traffic(f"http://{world.gateway}/digits/v2/models/digits/infer", recorded_scans(scans), rate)
    begun = time.monotonic()
    try:
        world.start()
        with Screen(world, console) as screen:
            tour = Tour(world, traffic, screen.say)
            chapters = [tour.first_release(), tour.good_release(), tour.bad_release()]
            chapters += [*tour.config_change(), tour.revert_promoted()]
            traffic.stop()
        return _report(world, tour, traffic, chapters, time.monotonic() - begun, console)
    finally:
        world.stop()


def _report(
    world: World, tour: Tour, traffic: Traffic, chapters: list[Chapter], seconds: float, console: Console
) -> bool:
    from tidegate.cli.tour.report import Span, chapter_table, count

    spans = [Span(event["at"], frozenset(event["weights"]), frozenset(tour.bad_releases)) for event in world.events()]
    counted = count(traffic.answers, spans)
    console.print()
    console.print(chapter_table(chapters))
    console.print(
        f"\n{counted.sent} requests in {seconds:.0f} s: {counted.failed} failed, {counted.wrong} answered by the wrong "
        f"release, {counted.hurt} hurt by the bad release in its canary."
    )
    log = world.git("log", "--format=%h  %<(18,trunc)%an %s", "main", at=world.remote)
    console.print("\nWhat git says now:", style="bold")
    console.print(log, highlight=False, markup=False)
    kept = not any(chapter.broken for chapter in chapters) and not counted.failed and not counted.wrong
    console.print(
        "\nEverything as promised." if kept else "\nNOT as promised.", style="bold green" if kept else "bold red"
    )
    return kept
