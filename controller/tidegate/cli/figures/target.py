"""Where a figure goes: the one name among a command's words that ends in .svg or .png.

Neighbours: `history` and `backtest` take FILE behind --plot through this; drawn.py writes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

SUFFIXES = (".svg", ".png")


def target(words: Iterable[Path], plot: bool) -> tuple[Path | None, list[Path]]:
    """The file to draw to (None: the terminal), and the other words. Raises BadParameter for one too many, or without --plot."""
    given = list(words)
    drawn = [word for word in given if word.suffix.lower() in SUFFIXES]
    if drawn and not plot:
        raise typer.BadParameter(f"{drawn[0]} is for --plot", param_hint="FILE")
    if len(drawn) > 1:
        raise typer.BadParameter("one figure, one file", param_hint="FILE")
    return (drawn[0] if drawn else None), [word for word in given if word not in drawn]
