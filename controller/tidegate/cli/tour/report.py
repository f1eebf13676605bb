"""What the tour measured, and whether it was as promised: every figure from answers, the journal and git, none assumed.

Neighbours: chapters.py collects chapters, screen code prints the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.box import SIMPLE
from rich.table import Table

from tidegate.cli.tour.traffic import Answer

GRACE = 0.5
"""Seconds after a switch in which an answer to a request sent before it may still come from the old release."""


@dataclass(slots=True)
class Chapter:
    """One part of the tour. Times in seconds; `last_bad_ms`: from the verdict to the last answer of the bad release."""

    title: str
    commit: str = ""
    effect_s: float | None = None
    last_bad_ms: float | None = None
    took_s: float = 0.0
    broken: list[str] = field(default_factory=list)

    def promise(self, kept: bool, what: str) -> None:
        """A promise that was not kept ends the tour with a non-zero exit code, at its end."""
        if not kept:
            self.broken.append(what)


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` on (epoch seconds) these releases could be answered by. `bad` may answer 5xx: that is its fault."""

    start: float
    releases: frozenset[str]
    bad: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Count:
    """Requests sent; failed through no fault of the bad release; hurt by the bad release; answered by a wrong one."""

    sent: int
    failed: int
    hurt: int
    wrong: int


def count(answers: Iterable[Answer], spans: list[Span]) -> Count:
    """Hold each answer against what could answer between its request and its answer."""
    sent = failed = hurt = wrong = 0
    for answer in answers:
        sent += 1
        over = [
            span
            for number, span in enumerate(spans)
            if span.start <= answer.got and (number + 1 == len(spans) or spans[number + 1].start + GRACE >= answer.sent)
        ]
        allowed = frozenset().union(*(span.releases for span in over))
        bad = frozenset().union(*(span.bad for span in over))
        if answer.release and answer.release not in allowed:
            wrong += 1
        if answer.status == 200:
            continue
        if answer.release in bad:
            hurt += 1
        else:
            failed += 1
    return Count(sent, failed, hurt, wrong)


def chapter_table(chapters: list[Chapter]) -> Table:
    """What happened, when, and how fast: 80 columns are enough."""
    caption = "effect: from the push to the first answer; last bad: from the verdict to the old release's last answer"
    table = Table(
        title="What happened", title_justify="left", caption=caption, caption_justify="left", box=SIMPLE, pad_edge=False
    )
    table.add_column("chapter")
    for name in ("commit", "effect", "last bad", "took"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=all(not chapter.broken for chapter in chapters))
    for chapter in chapters:
        table.add_row(
            chapter.title,
            chapter.commit[:8],
            f"{chapter.effect_s:.2f} s" if chapter.effect_s is not None else "",
            f"{chapter.last_bad_ms:.0f} ms" if chapter.last_bad_ms is not None else "",
            f"{chapter.took_s:.1f} s",
            "[green]as promised[/]" if not chapter.broken else "[red]" + "; ".join(chapter.broken) + "[/]",
        )
    return table
