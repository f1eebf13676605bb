"""The tour on a terminal: what is being done, the live status beneath it. Without a terminal: a line when something changes.

Neighbours: cli/screen.py draws the status itself.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tidegate.cli.events import event_line
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
        """One line that stays."""
        self._console.print(Text.assemble((f"{time.monotonic() - self._begun:6.1f} s  ", "dim"), (text, "bold")))

    def _follow(self) -> None:
        while not self._stop.wait(REFRESH):
            self._tell_events()
            if self._live is not None:
                doc = self._world.live()
                if doc.get("running"):
                    self._live.update(Group(Text(), render_status(doc)))

    def _tell_events(self) -> None:
        for event in self._world.events():
            if event["id"] > self._told:
                self._told = event["id"]
                self._console.print(Text(f"{'':10}{event_line(event)}", style="cyan"), soft_wrap=True)
