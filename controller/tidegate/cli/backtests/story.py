"""A backtest's trial as the story of a figure.

Neighbours: replay.py kept the trail, figures/ draws it.
"""

from __future__ import annotations

from tidegate.cli.backtests.show import Tested
from tidegate.cli.figures.story import Story


def story(tested: Tested) -> Story:
    """What the policy made of the log, over time."""
    trial = tested.trial
    name = f" {trial.release}" if trial.release is not None else ""
    return Story(
        f"{tested.name} on a recorded candidate{name}",
        trial.verdict,
        trial.said.sentence,
        trial.trail,
        trial.began,
        trial.at,
    )
