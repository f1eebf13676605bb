"""A figure for a terminal: curves in braille dots, the threshold as a line, the steps beneath.

Neighbours: story.py has the values, show.py prints this; drawn.py draws the same to a file.
"""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from tidegate.cli.figures.story import LN10, Story
from tidegate.spec.units import format_duration

COLOURS: Final = ("bright_blue", "cyan", "yellow", "magenta", "green", "bright_white")
VERDICTS: Final = {"fail": "bold red", "rolled_back": "bold red", "pass": "green", "promoted": "green"}
MOST_MARKS: Final = 12
LABELS: Final = 9
HEIGHT: Final = 12
LOWEST: Final = -2.0
"""log10 E at the bottom: there is nothing to see below a hundredth."""
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def terminal(story: Story, width: int) -> RenderableType:
    """The whole figure, `width` characters wide at most."""
    columns = max(20, width - LABELS - 1)
    top = story.threshold + 0.5
    canvas = _Canvas(columns, HEIGHT, max(story.ended - story.began, 1e-9), LOWEST, top)
    for index, curve in enumerate(story.curves()):
        canvas.curve(curve, COLOURS[index % len(COLOURS)])
    limit = canvas.row(story.threshold)
    rows = [Text(story.title, style="bold")]
    rows += [
        Text.assemble((_label(canvas, number, limit), "dim"), canvas.line(number, number == limit))
        for number in range(HEIGHT)
    ]
    rows.append(Text.assemble(" " * LABELS, ("└" + "─" * (columns - 1), "dim")))
    rows.append(Text.assemble(" " * LABELS, (_axis(story, columns), "dim")))
    for index, name in enumerate(story.names):
        last = story.trail.points[-1][3][index] if story.trail.points else 0.0
        needed = f"E {_power(last / LN10)} of {story.trail.lines[index].threshold:,.0f} needed alone"
        rows.append(Text.assemble("  ", ("●", COLOURS[index % len(COLOURS)]), f" {name}  ", (needed, "dim")))
    rows += [
        Text(f"  {format_duration(round(mark.at - story.began)):>8}  {mark.label}", style="dim")
        for mark in story.marks[:MOST_MARKS]
    ]
    if len(story.marks) > MOST_MARKS:
        rows.append(Text(f"  and {len(story.marks) - MOST_MARKS} more", style="dim"))
    rows.append(Text.assemble((f"  {story.verdict}", VERDICTS.get(story.verdict, "yellow")), f": {story.sentence}"))
    return Group(*rows)


def _label(canvas: _Canvas, number: int, limit: int) -> str:
    if number == limit:
        return f"{'1/alpha':>{LABELS - 2}} ┤"
    if number == canvas.row(0.0):
        return f"{'E = 1':>{LABELS - 2}} ┤"
    return " " * (LABELS - 1) + "│"


def _axis(story: Story, columns: int) -> str:
    end = format_duration(round(story.ended - story.began))
    return "0s" + " " * max(1, columns - 2 - len(end)) + end


def _power(log10: float) -> str:
    return f"{10**log10:,.3g}" if -3 < log10 < 6 else f"1e{log10:.0f}"


class _Canvas:
    """Braille, two by four dots a character: x from 0 to `seconds`, y from `low` to `high`. The last curve colours a cell."""

    def __init__(self, columns: int, rows: int, seconds: float, low: float, high: float) -> None:
        self._columns, self._rows = columns, rows
        self._seconds, self._low, self._high = seconds, low, high
        self._cells = [[0] * columns for _ in range(rows)]
        self._styles = [[""] * columns for _ in range(rows)]

    def curve(self, points: list[tuple[float, float]], style: str) -> None:
        """A line through the points; what is below the bottom lies on it."""
        before: tuple[int, int] | None = None
        for x, y in points:
            dot = self._dot(x, y)
            for one in _between(before, dot) if before is not None else (dot,):
                self._set(*one, style)
            before = dot

    def row(self, y: float) -> int:
        """The row of characters in which a value lies."""
        return self._dot(0.0, y)[1] // 4

    def line(self, number: int, limit: bool) -> Text:
        """One row of characters; dashes where the threshold is and no curve."""
        text = Text()
        for bits, style in zip(self._cells[number], self._styles[number], strict=True):
            empty = ("╌", "red") if limit else (" ", "")
            text.append(*((chr(0x2800 + bits), style) if bits else empty))
        return text

    def _dot(self, x: float, y: float) -> tuple[int, int]:
        across = min(max(x / self._seconds, 0.0), 1.0) * (self._columns * 2 - 1)
        up = min(max((y - self._low) / (self._high - self._low), 0.0), 1.0) * (self._rows * 4 - 1)
        return round(across), self._rows * 4 - 1 - round(up)

    def _set(self, x: int, y: int, style: str) -> None:
        self._cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
        self._styles[y // 4][x // 2] = style


def _between(one: tuple[int, int], other: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots of a straight line."""
    length = max(abs(other[0] - one[0]), abs(other[1] - one[1]), 1)
    steps = (i / length for i in range(length + 1))
    return [(round(one[0] + (other[0] - one[0]) * s), round(one[1] + (other[1] - one[1]) * s)) for s in steps]
