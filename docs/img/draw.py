"""Draws the rollout's picture for the README, once for light pages and once for dark ones.

`python docs/img/draw.py` writes rollout-light.svg and rollout-dark.svg beside this file; tests/docs holds them fresh.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

WIDTH, HEIGHT = 1000, 408
LANES = {"git": 78, "controller": 158, "gateway": 248, "users": 346}
LEFT, MIDDLE, RIGHT = 104, 622, 984
BAR = 64
FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Theme:
    """Colours of one page background."""

    page: str
    line: str
    text: str
    soft: str
    box: str
    stable: str
    candidate: str
    bad: str


THEMES = {
    "light": Theme("#ffffff", "#d0d7de", "#1f2328", "#59636e", "#f6f8fa", "#4c7fd0", "#1a9c82", "#d1242f"),
    "dark": Theme("#0d1117", "#3d444d", "#f0f6fc", "#9198a1", "#151b23", "#5b8fe0", "#2bb596", "#f85149"),
}


@dataclass
class Picture:
    """Shapes, one line each."""

    theme: Theme
    shapes: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, text: str, *, size: int = 13, fill: str = "", weight: int = 400, at: str = "middle"
    ) -> None:
        """One line of text, its baseline at y."""
        fill = fill or self.theme.text
        self.shapes.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{fill}" text-anchor="{at}">{text}</text>'
        )

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, *, line: str = "none", round_: float = 6
    ) -> None:
        """A rectangle by its top left corner."""
        self.shapes.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round_:g}" fill="{fill}" stroke="{line}"/>'
        )

    def path(self, points: str, line: str, *, width: float = 1.5, dash: str = "", arrow: bool = False) -> None:
        """A line, with an arrow's head at its end where asked for."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        head = f' marker-end="url(#head-{line[1:]})"' if arrow else ""
        self.shapes.append(f'<path d="{points}" fill="none" stroke="{line}" stroke-width="{width:g}"{dashed}{head}/>')

    def commit(self, x: float, label: str, note: str, colour: str) -> None:
        """A commit on git's line, what it says above it, who made it below."""
        y = LANES["git"]
        self.shapes.append(
            f'<circle cx="{x:g}" cy="{y}" r="7" fill="{colour}" stroke="{self.theme.page}" stroke-width="2"/>'
        )
        self.text(x, y - 16, label, weight=600)
        self.text(x, y + 24, note, size=12, fill=self.theme.soft)

    def phase(self, x: float, width: float, label: str, colour: str = "") -> None:
        """A phase in the controller's lane."""
        y = LANES["controller"]
        self.box(x, y - 15, width, 30, self.theme.box, line=colour or self.theme.line)
        self.text(x + width / 2, y + 4.5, label, size=12, fill=colour or self.theme.text, weight=600 if colour else 400)

    def weights(self, x: float, width: float, share: float, label: str) -> None:
        """The split of the traffic while a phase lasts: the candidate's share from below."""
        top = LANES["gateway"] - BAR / 2
        high = BAR * share
        self.box(x, top, width, BAR - high, self.theme.stable, round_=0)
        if high:
            self.box(x, top + BAR - high, width, high, self.theme.candidate, round_=0)
        self.text(x + width / 2, top + BAR + 15, label, size=12, fill=self.theme.soft)

    def answers(self, x: float, width: float, every: int, colour: str) -> None:
        """Answers that users get, one dot each; each `every`-th is the candidate's (0: none, 1: all)."""
        step = 9
        for number in range(int(width // step)):
            mine = every and number % every == every // 2
            fill = colour if mine else self.theme.stable
            self.shapes.append(
                f'<circle cx="{x + step / 2 + number * step:g}" cy="{LANES["users"]}" r="3" fill="{fill}"/>'
            )


def draw(theme: Theme) -> str:
    """The whole picture as an SVG document."""
    p = Picture(theme)
    p.box(0.5, 0.5, WIDTH - 1, HEIGHT - 1, theme.page, line=theme.line, round_=10)
    p.text((LEFT + MIDDLE) / 2 - 8, 28, "a good release walks its steps", size=15, weight=600)
    p.text((MIDDLE + RIGHT) / 2 + 8, 28, "a bad one takes itself back", size=15, weight=600)
    for name, y in LANES.items():
        p.text(18, y + 4, name, size=13, weight=600, fill=theme.soft, at="start")
    p.path(f"M{MIDDLE} 44V{HEIGHT - 36}", theme.line, dash="3 4")
    p.path(f"M{LEFT} {LANES['git']}H{RIGHT}", theme.line, width=2)
    _good(p)
    _bad(p)
    p.text(RIGHT, HEIGHT - 14, "time \N{RIGHTWARDS ARROW}", size=12, fill=theme.soft, at="end")
    legend = (
        (LEFT, theme.stable, "stable release"),
        (LEFT + 118, theme.candidate, "candidate"),
        (LEFT + 212, theme.bad, "an error of the candidate"),
    )
    for x, colour, label in legend:
        p.shapes.append(f'<circle cx="{x + 4}" cy="{HEIGHT - 18}" r="4" fill="{colour}"/>')
        p.text(x + 14, HEIGHT - 14, label, size=12, fill=theme.soft, at="start")
    heads = "".join(
        f'<marker id="head-{colour[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        for colour in (theme.soft, theme.bad)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="{FONT}" role="img" aria-label="A commit becomes a release by steps; a bad one takes itself back.">\n'
        f"<defs>{heads}</defs>\n" + "\n".join(p.shapes) + "\n</svg>\n"
    )


def _good(p: Picture) -> None:
    soft, git, controller = p.theme.soft, LANES["git"], LANES["controller"]
    p.commit(140, "digits 2.0.0", "your merge", p.theme.text)
    p.path(f"M140 {git + 30}V{controller - 19}", soft, arrow=True)
    stages = (
        ("preparing", 76, 0.0, "0 %"),
        ("canary", 84, 0.1, "10 %"),
        ("quarter", 84, 0.25, "25 %"),
        ("half", 84, 0.5, "50 %"),
    )
    x: float = LEFT
    for (label, width, share, percent), every in zip(stages, (0, 9, 4, 2), strict=True):
        p.phase(x, width - 4, label)
        p.weights(x, width, share, percent)
        p.answers(x, width, every, p.theme.candidate)
        x += width
    p.phase(x, 84 - 4, "full")
    p.weights(x, 80, 1.0, "100 %")
    p.answers(x, 84, 1, p.theme.candidate)
    x += 84
    p.phase(x, 82, "promoted", p.theme.candidate)
    p.weights(x - 4, 86, 1.0, "old one: standby")
    p.answers(x, 82, 1, p.theme.candidate)
    p.path(f"M{x + 41} {controller - 17}V{git + 31}", soft, arrow=True)
    p.text(x + 41, git + 24, "note, promoted ref", size=12, fill=soft)


def _bad(p: Picture) -> None:
    soft, bad, git, controller, gateway = p.theme.soft, p.theme.bad, LANES["git"], LANES["controller"], LANES["gateway"]
    x: float = MIDDLE + 14
    p.commit(x + 34, "digits 2.1.0", "your merge", p.theme.text)
    p.path(f"M{x + 34} {git + 30}V{controller - 19}", soft, arrow=True)
    p.phase(x, 72, "preparing")
    p.weights(x, 76, 0.0, "0 %")
    p.answers(x, 76, 0, bad)
    x += 76
    p.phase(x, 82, "canary")
    p.weights(x, 86, 0.1, "10 %")
    p.answers(x, 86, 4, bad)
    x += 86
    p.phase(x, 108, "verdict: fail", bad)
    p.weights(x, RIGHT - x, 0.0, "0 %, within milliseconds")
    p.answers(x, RIGHT - x, 0, bad)
    p.path(f"M{x + 20} {controller + 17}V{gateway - BAR / 2 - 3}", bad, width=2, arrow=True)
    p.text(x + 28, controller + 36, "1. traffic", size=12, fill=bad, weight=600, at="start")
    p.path(f"M{x + 108} {controller}H{x + 142}V{git + 31}", bad, width=2, arrow=True)
    p.text(x + 148, controller + 20, "2. git", size=12, fill=bad, weight=600)
    p.commit(x + 142, "Revert 2.1.0", "by Tidegate", bad)


def main() -> None:
    """Write both pictures."""
    for name, theme in THEMES.items():
        Path(__file__).with_name(f"rollout-{name}.svg").write_text(draw(theme), encoding="utf-8")


if __name__ == "__main__":
    main()
