"""A backtest's trial as the story of a figure.

Neighbours: replay.py kept the trail, figures/ draws it.
"""

from __future__ import annotations

from tidegate.cli.backtests.show import Answer
from tidegate.cli.figures.story import Story


def story(answer: Answer) -> Story:
    """What the policy made of the log, over time."""
    trial = answer.trial
    name = f" {trial.release}" if trial.release is not None else ""
    return Story(
        f"{answer.name} on a recorded candidate{name}",
        trial.verdict,
        trial.said.sentence,
        trial.trail,
        trial.began,
        trial.at,
    )
