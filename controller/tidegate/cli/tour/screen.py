"""The tour on a terminal: what is being done, the live status beneath it. Without a terminal: a line when something changes.

Neighbours: cli/screen.py draws the status itself.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tidegate.cli.screen import render_status
from tidegate.cli.tour.world import World

REFRESH = 0.25


class Screen:
    """Shows the world until it is left; `say` tells the next chapter."""

    def __init__(self, world: World, console: Console) -> None:
        self._world = world
        self._console = console
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="screen", daemon=True)
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._told = 0
        self._telling = threading.Lock()
        self._begun = time.monotonic()

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._tell_events()
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """One line that stays, after the events that led to it."""
        self._tell_events()
        self._console.print(Text.assemble((f"{time.monotonic() - self._begun:6.1f} s  ", "dim"), (text, "bold")))

    def _follow(self) -> None:
        while not self._stop.wait(REFRESH):
            self._tell_events()
            if self._live is not None:
                doc = self._world.live()
                if doc.get("running"):
                    self._live.update(Group(Text(), render_status(doc)))

    def _tell_events(self) -> None:
        with self._telling:
            news = [event for event in self._world.events() if event["id"] > self._told]
            for event in news:
                self._told = event["id"]
                line = Text(f"{'':10}{_short(event)}", style="cyan")
                self._console.print(line, no_wrap=True, overflow="ellipsis")


def _short(event: dict[str, Any]) -> str:
    """One event in one line: what, of which version, the candidate's share, why."""
    what = f"{event['kind']} {event['step']}" if event["step"] and event["kind"] == "step" else event["kind"]
    share = event["weights"].get(event["release"], 0)
    return f"{what:<14} {event['version']:<6} {share:>3g}%  {event['reason']}"
