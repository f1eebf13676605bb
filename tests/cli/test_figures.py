"""Figures of evidence: of a journal's trial as of a log's, in any terminal, of nothing as of much; and what cannot be drawn."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from support.typed import typed
from support.world import environment
from tidegate.cli.figures.drawn import DARK, LIGHT, draw
from tidegate.cli.figures.journaled import story as of_journal
from tidegate.cli.figures.story import Mark, Story
from tidegate.cli.figures.terminal import terminal
from tidegate.engine.trail import Trail
from tidegate.journal.journal import Journal
from tidegate.spec.policy import Guardrail, PolicyFields, Step

RAILS = (
    Guardrail(metric="error_rate", max_ratio=1.5, segments="each"),
    Guardrail(metric="latency_p95_ms", max_ratio=1.25),
)
BEGAN = 1000.0


def trail(*rails: Guardrail) -> Trail:
    steps = (Step(name="full", weight="100%"),)  # type: ignore[arg-type]  # as in YAML
    return Trail.of(PolicyFields(steps=steps, guardrails=rails))


def written(found: Trail) -> dict[str, Any]:
    """A trial as the journal keeps it: at 20 % for two minutes."""
    for number in range(1, 13):
        found.add(BEGAN + 10 * number, 80 * number, 20 * number, [number * 0.5, -number * 0.1])
    return {"route": "digits", "release": "eeee", "began": BEGAN, "trail": found.to_doc()}


def event(kind: str, at: float, reason: str = "", step: str | None = None, release: str = "eeee") -> dict[str, Any]:
    return {"kind": kind, "at": at, "route": "digits", "release": release, "version": "2.0.0", "step": step,
            "reason": reason, "commit": "c", "weights": {release: 20.0, "dddd": 80.0}}  # fmt: skip


EVENTS = [
    event("started", BEGAN - 5),
    event("step", BEGAN, step="canary"),
    event("held", BEGAN + 50),
    event("promoted", BEGAN + 60, release="other"),
    event("rolled_back", BEGAN + 121, "error rate 9 % against 1 %; limit 1.5x; owner team-a"),
    event("step", BEGAN + 500, step="canary"),
]


def shown(story: Story, width: int = 80) -> list[str]:
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(terminal(story, width))
    return captured.get().splitlines()


def test_a_trial_of_the_journal_has_its_steps_its_end_and_its_shares() -> None:
    story = of_journal("digits", written(trail(*RAILS)), EVENTS, None)
    assert (story.title, story.verdict, story.ended) == ("digits 2.0.0", "rolled_back", BEGAN + 121)
    assert story.sentence == EVENTS[4]["reason"]
    assert [(mark.at - BEGAN, mark.label) for mark in story.marks] == [(0.0, "canary 20 %"), (50.0, "held")]
    assert story.names == ["error_rate max_ratio: 1.5 in each segment", "latency_p95_ms max_ratio: 1.25"]
    assert {round(percent) for _, _, percent in story.shares()} == {20}
    assert story.curves()[0][0] == (0.0, pytest.approx(-0.301, abs=0.001)), "each begins with its part of 1"
    lines = shown(story)
    assert lines[0] == "digits 2.0.0"
    assert any(line.startswith("1/alpha ┤") for line in lines)
    assert any(line.split() == ["0s", "canary", "20", "%"] for line in lines)


def test_a_trial_under_way_says_how_it_stands() -> None:
    state = {"candidate": {"verdict": {"sentence": "within the limit 1.5x so far"}}}
    story = of_journal("digits", written(trail(*RAILS)), EVENTS[:2], state)
    assert (story.verdict, story.sentence) == ("so far", "within the limit 1.5x so far")
    assert of_journal("digits", written(trail(*RAILS)), [], None).sentence == "no verdict yet"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(-800, 800), st.floats(-800, 800), st.integers(0, 10**9)), max_size=40),
    st.integers(20, 200),
)
def test_whatever_the_evidence_a_terminal_shows_it_within_its_width(
    points: list[tuple[float, float, int]], width: int
) -> None:
    found = trail(*RAILS)
    for number, (one, other, count) in enumerate(points):
        found.add(BEGAN + number, count, count, [one, other])
    story = Story(
        "digits 2.0.0", "fail", "error rate 9 %", found, BEGAN, BEGAN + len(points), (Mark(BEGAN, "canary 5 %"),)
    )
    lines = shown(story, max(width, 60))
    assert all(len(line) <= max(width, 60) for line in lines)
    assert sum("┤" in line or "│" in line for line in lines) == 12


@pytest.mark.parametrize("rails", [(), RAILS[:1], RAILS])
def test_a_file_is_drawn_of_nothing_as_of_much_for_both_pages(tmp_path: Path, rails: tuple[Guardrail, ...]) -> None:
    for theme in (LIGHT, DARK):
        empty = Story("digits", "so far", "no verdict yet", trail(*rails), BEGAN, BEGAN)
        draw(empty, tmp_path / "empty.svg", theme)
        assert theme.page in (tmp_path / "empty.svg").read_text()
    draw(of_journal("digits", written(trail(*RAILS)), EVENTS, None), tmp_path / "one.svg", LIGHT)
    text = (tmp_path / "one.svg").read_text()
    assert "1/alpha = 100: rolled back" in text
    assert "canary 20 %" in text


def history(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = typed(folder, "history", *words, environment=environment())
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_what_cannot_be_drawn_names_what_can(tmp_path: Path) -> None:
    (tmp_path / "tidegate.yaml").write_text("api: tidegate/v1\nkind: Controller\n")
    (tmp_path / ".tidegate").mkdir()
    with Journal(tmp_path / ".tidegate" / "journal.db") as journal, journal.transaction() as transaction:
        found = written(trail(*RAILS))
        transaction.put_trail("digits", "eeee", BEGAN, found["trail"])
        transaction.add_events(EVENTS)
    for words, message in (
        (("--plot",), "--plot needs a route\n  fix: name one with evidence: digits"),
        (("letters", "--plot"), "letters has had no candidate in traffic yet\n  fix: trials that can be drawn: none"),
        (("digits", "--plot", "--release", "9"), "digits has no evidence of 9\n  fix: trials that can be drawn: 2.0.0 (eeee)"),
        (("digits", "evidence.svg"), "evidence.svg is for --plot"),
        (("digits", "--plot", "evidence.txt"), "evidence.txt ends neither in .svg nor in .png"),
        (("digits", "--plot", "no/such/folder/e.svg"), "no/such/folder/e.svg: cannot be written"),
    ):  # fmt: skip
        done = history(tmp_path, *words)
        assert done.returncode == 2, words
        assert message in done.stderr
    assert "1/alpha ┤" in history(tmp_path, "digits", "--plot", "--release", "2.0.0").stdout
