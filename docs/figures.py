"""Makes what docs/how-to/numbers.md shows: tables by the arithmetic of `tidegate plan`, pictures as `backtest --plot` draws.

`python docs/figures.py` writes them; tests/docs holds them fresh. Neighbours: generate.py makes the reference pages.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tidegate.cli.backtests.log import Log
from tidegate.cli.backtests.replay import replay
from tidegate.cli.figures.drawn import DARK, LIGHT, draw
from tidegate.cli.figures.story import Story
from tidegate.spec.policy import Guardrail, PolicyFields, Step
from tidegate.spec.samples import alphas, detectable, promotion_samples, samples_needed
from tidegate.spec.units import format_duration

DOCS = Path(__file__).parent
PAGE = DOCS / "how-to" / "numbers.md"
PICTURES = DOCS / "img"
SHARE = 0.1
BEGAN = 1_785_578_400.0
RAILS = (Guardrail(metric="error_rate", max_ratio=1.5, margin=4.0), Guardrail(metric="latency_p95_ms", max_ratio=1.25))
POLICY = PolicyFields(steps=(Step(name="canary", weight="10%"),), guardrails=RAILS)  # type: ignore[arg-type]  # as in YAML


class Scene(NamedTuple):
    """A made-up record: how many requests, how many a second, and the candidate's error rate (stable has 1 %)."""

    name: str
    title: str
    count: int
    rate: float
    errors: float


SCENES = (
    Scene("evidence-bad", "5 % errors instead of 1 %, 50 requests a second", 12_000, 50.0, 0.05),
    Scene("evidence-good", "1 % errors on both sides, 50 requests a second", 60_000, 50.0, 0.01),
    Scene("evidence-few", "5 % errors instead of 1 %, 1 request a second", 3_600, 1.0, 0.05),
)


def tables() -> dict[str, str]:
    """Name of a table to its Markdown."""
    return {"seen": _seen(), "needed": _needed(), "time": _time(), "margins": _margins()}


def page(text: str) -> str:
    """The page with its tables made anew, between `<!-- NAME -->` and `<!-- /NAME -->`."""
    for name, table in tables().items():
        text, count = re.subn(
            rf"(?s)(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m, t=table: f"{m[1]}{t}\n{m[2]}", text
        )
        if count != 1:
            raise ValueError(f"the page has no place for the table '{name}'")
    return text


def pictures(folder: Path) -> list[Path]:
    """Draw every scene, for light pages and for dark ones; the files."""
    drawn = []
    for scene in SCENES:
        story = _story(scene)
        for theme, colours in (("light", LIGHT), ("dark", DARK)):
            drawn.append(folder / f"{scene.name}-{theme}.svg")
            draw(story, drawn[-1], colours)
    return drawn


@cache
def _story(scene: Scene) -> Story:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.jsonl"
        path.write_text("\n".join(_record(scene)) + "\n")
        trial = replay(Log([path]), POLICY, trail=True).decisive
    return Story(scene.title, trial.verdict, trial.said.sentence, trial.trail, trial.began, trial.at)


def _record(scene: Scene) -> Iterable[str]:
    chance, at = random.Random(4), BEGAN  # noqa: S311 makes up a record, guards nothing
    for number in range(scene.count):
        at += chance.expovariate(scene.rate)
        candidate = number == 0 or chance.random() < SHARE
        failed = chance.random() < (scene.errors if candidate else 0.01)
        yield json.dumps(
            {
                "time": datetime.fromtimestamp(at, UTC).isoformat(),
                "role": "candidate" if candidate else "stable",
                "status": 500 if failed else 200,
                "duration_ms": round(chance.lognormvariate(3.7, 0.5), 2),
            }
        )


def _alpha(rail: Guardrail) -> float:
    """Of a policy with this one guardrail and the default confidence."""
    return alphas(POLICY.model_copy(update={"guardrails": (rail,)}))[0]


def _seen() -> str:
    """What so many candidate requests show, at best."""
    columns = [
        ("errors, stable 1 %", Guardrail(metric="error_rate", max_ratio=1.5), 0.01, lambda x: f"{x:.2g} %", 100.0),
        ("errors, stable 0.1 %", Guardrail(metric="error_rate", max_ratio=1.5), 0.001, lambda x: f"{x:.2g} %", 100.0),
        ("p95, stable 100 ms", Guardrail(metric="latency_p95_ms", max_ratio=1.2), 100.0, lambda x: f"{x:.0f} ms", 1.0),
        ("score, stable 0.90", Guardrail(metric="quality", max_drop=0.02), 0.9, lambda x: f"{x:.2f}", 1.0),
    ]
    rows = []
    for count in (100, 300, 1_000, 3_000, 10_000, 30_000):
        cells = []
        for _, rail, baseline, shown, unit in columns:
            found = detectable(rail, baseline, _alpha(rail), [(SHARE, float(count))])
            cells.append(shown(found * baseline * unit) if found is not None else "-")
        rows.append([f"{count:,}", *cells])
    return _table(["candidate requests", *(name for name, *_ in columns)], rows)


def _needed() -> str:
    """What errors of 1 % grown so much take, by limit."""
    limits = (1.0, 1.5, 2.0, 3.0)
    rows = []
    for effect in (1.5, 2.0, 3.0, 5.0, 10.0):
        cells = []
        for limit in limits:
            rail = Guardrail(metric="error_rate", max_ratio=limit)
            count = samples_needed(rail, 0.01, effect, _alpha(rail), SHARE)
            cells.append(f"{count:,}" if count is not None else "allowed")
        rows.append([f"1 % becomes {effect:g} %", *cells])
    return _table(["the candidate", *(f"`max_ratio: {limit:g}`" for limit in limits)], rows)


def _time() -> str:
    """How long finding 5 % errors instead of 1 % takes."""
    rail = Guardrail(metric="error_rate", max_ratio=1.5)
    rows = []
    for rate in (0.1, 1, 10, 100, 1000):
        cells = []
        for share in (0.01, 0.05, 0.25, 0.5):
            count = samples_needed(rail, 0.01, 5.0, _alpha(rail), share)
            cells.append(_lasts(count / (rate * share)) if count is not None else "never")
        rows.append([f"{rate:g} a second", *cells])
    return _table(["traffic", "1 %", "5 %", "25 %", "50 %"], rows)


def _lasts(seconds: float) -> str:
    unit = 86400 if seconds >= 2 * 86400 else 3600 if seconds >= 2 * 3600 else 60 if seconds >= 120 else 1
    return format_duration(max(round(seconds / unit), 1) * unit)


def _margins() -> str:
    """What a candidate as good as stable takes to exclude a margin."""
    rows = []
    for margin in (1.5, 2.0, 3.0, 5.0):
        rail = Guardrail(metric="error_rate", max_ratio=1.0, margin=margin)
        counts = [promotion_samples(rail, baseline, 1 - POLICY.confidence, SHARE) for baseline in (0.001, 0.01, 0.05)]
        rows.append([f"`margin: {margin:g}`", *(f"{count:,}" if count is not None else "never" for count in counts)])
    return _table(["excluded after", "stable 0.1 % errors", "1 %", "5 %"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *(["---:"] * (len(head) - 1))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Write the page's tables and the pictures."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    pictures(PICTURES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
