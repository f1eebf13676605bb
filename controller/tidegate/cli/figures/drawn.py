"""A figure as a file, SVG or PNG, for light pages or for dark ones; made by matplotlib, which only this needs.

Neighbours: story.py has the values, show.py calls this; terminal.py needs no library.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tidegate.cli.figures.story import Story
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.units import format_duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE: Final = (9.0, 4.6)
LOWEST: Final = -2.0
FULL: Final = (5, 10, 25, 50, 100)
"""Percent at the top of the traffic's axis."""
PACES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
"""Seconds between two ticks."""
MOST_TICKS: Final = 8
MOST_LABELS: Final = 12
"""Marks with a name; more would lie on each other."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one page: those of the pictures in docs/img."""

    page: str
    line: str
    text: str
    soft: str
    bad: str
    good: str
    share: str
    curves: tuple[str, ...]


LIGHT: Final = Theme(
    "#ffffff", "#d0d7de", "#1f2328", "#59636e", "#d1242f", "#1a7f37", "#c5d7f2",
    ("#2f6fd0", "#0f8f78", "#b25c00", "#8b4fc6", "#c2417c", "#5f7285"),
)  # fmt: skip
DARK: Final = Theme(
    "#0d1117", "#3d444d", "#f0f6fc", "#9198a1", "#f85149", "#3fb950", "#26456e",
    ("#6aa5f8", "#35c4a4", "#e69a3f", "#b78af0", "#f07fb0", "#a3b1c2"),
)  # fmt: skip


def draw(story: Story, path: Path, theme: Theme) -> None:
    """Write the figure; the same story gives the same bytes of SVG.

    Raises NeedsPerson without matplotlib, and where the file cannot be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        fix = "pip install 'tidegate[plot]', or leave the file out: the terminal needs none"
        raise NeedsPerson("a figure in a file is drawn by matplotlib, which is not installed", fix=fix) from error
    with mpl.rc_context({"svg.hashsalt": "tidegate", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=SIZE, facecolor=theme.page, layout="constrained")
        evidence, traffic = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
        _evidence(evidence, story, theme)
        _traffic(traffic, story, theme)
        figure.suptitle(story.title, color=theme.text, fontsize=12, fontweight="bold", x=0.02, ha="left")
        figure.supxlabel(_wrapped(story), color=theme.soft, fontsize=9, x=0.02, ha="left")
        try:
            metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
            figure.savefig(path, facecolor=theme.page, dpi=160, metadata=metadata)
        except OSError as error:
            raise NeedsPerson(
                f"cannot be written: {error.strerror}", where=str(path), fix="name another file"
            ) from error


def _evidence(axes: Axes, story: Story, theme: Theme) -> None:
    _plain(axes, theme)
    top = max([story.threshold, *(y for _, y in story.joint())]) + 0.6
    axes.axhspan(story.threshold, top, color=theme.bad, alpha=0.08, linewidth=0)
    axes.axhline(story.threshold, color=theme.bad, linewidth=1.2, linestyle=(0, (5, 3)))
    axes.axhline(0, color=theme.line, linewidth=0.8)
    for index, (name, curve) in enumerate(zip(story.names, story.curves(), strict=True)):
        colour = theme.curves[index % len(theme.curves)]
        axes.plot([x for x, _ in curve], [max(y, LOWEST) for _, y in curve], color=colour, linewidth=1.8, label=name)
    if len(story.trail.lines) > 1:
        joint = story.joint()
        axes.plot(
            [x for x, _ in joint], [max(y, LOWEST) for _, y in joint], color=theme.soft, linewidth=1,
            linestyle=(0, (1, 2)), label="all together",
        )  # fmt: skip
    for mark in story.marks[:MOST_LABELS]:
        at = mark.at - story.began
        axes.axvline(at, color=theme.line, linewidth=0.8)
        axes.annotate(
            mark.label, (at, 1), xycoords=("data", "axes fraction"), xytext=(4, -4), textcoords="offset points",
            rotation=90, va="top", ha="left", fontsize=8, color=theme.soft,
        )  # fmt: skip
    axes.set_ylim(LOWEST, top)
    ticks = [float(y) for y in range(int(LOWEST), int(top) + 1)]
    axes.set_yticks(ticks, [_tick(y) for y in ticks])
    axes.set_ylabel("evidence E (weighted)", color=theme.text)
    axes.annotate(
        f"1/alpha = {10**story.threshold:,.0f}: rolled back", (0, story.threshold), xycoords=("axes fraction", "data"),
        xytext=(6, 4), textcoords="offset points", ha="left", va="bottom", fontsize=9, color=theme.bad,
    )  # fmt: skip
    if story.names:
        legend = axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, fontsize=9, frameon=False)
        for text in legend.get_texts():
            text.set_color(theme.text)


def _traffic(axes: Axes, story: Story, theme: Theme) -> None:
    _plain(axes, theme)
    shares = list(story.shares())
    if shares:
        edges = [shares[0][0], *(until for _, until, _ in shares)]
        axes.stairs([percent for _, _, percent in shares], edges, fill=True, color=theme.share)
    most = max((percent for _, _, percent in shares), default=0.0)
    top = next((full for full in FULL if most <= full), FULL[-1])
    axes.set_ylim(0, top * 1.05)
    axes.set_yticks([0, top], ["0", f"{top} %"])
    axes.set_ylabel("candidate", color=theme.text)
    lasts = max(story.ended - story.began, 1e-9)
    axes.set_xlim(0, lasts)
    step = next((pace for pace in PACES if lasts / pace <= MOST_TICKS), lasts / MOST_TICKS)
    ticks = [step * i for i in range(int(lasts / step) + 1)]
    axes.set_xticks(ticks, [format_duration(round(x)) for x in ticks])


def _plain(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.page)
    axes.tick_params(colors=theme.soft, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(theme.line)


def _tick(y: float) -> str:
    return f"{10**y:,.0f}" if 0 <= y < 5 else f"{10**y:g}" if y < 0 else f"1e{y:.0f}"


def _wrapped(story: Story) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(f"{story.verdict}: {story.sentence}", 130))
