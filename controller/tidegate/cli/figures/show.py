"""Shows a figure where it was asked for: in the terminal, or in a file.

Neighbours: `history --plot` and `backtest --plot` call it.
"""

from __future__ import annotations

from pathlib import Path

import typer

from tidegate.cli.figures.story import Story

WIDEST = 110


def show(story: Story, path: Path | None, *, dark: bool) -> None:
    """Draw the story. `dark`: a file is for dark pages. Raises NeedsPerson when the file cannot be made."""
    if path is not None:
        from tidegate.cli.figures.drawn import DARK, LIGHT, draw

        draw(story, path, DARK if dark else LIGHT)
        typer.echo(f"drawn to {path}", err=True)
        return
    from rich.console import Console

    from tidegate.cli.figures.terminal import terminal

    console = Console(highlight=False)
    console.print(terminal(story, min(console.width, WIDEST)))
