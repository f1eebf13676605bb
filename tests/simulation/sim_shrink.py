"""Shortens a failing story: fewer acts, fewer surprises, the same broken rule. Delta debugging (Zeller, 2002).

Neighbours: sim_story.py plays, fuzz.py prints the outcome.
"""

from __future__ import annotations

import random
from dataclasses import replace

from sim_story import Story, play
from sim_watch import Broken


def fails(story: Story) -> Broken | None:
    """The rule that it breaks."""
    try:
        play(story)
    except Broken as broken:
        return broken
    return None


CHANCES = 3
"""Other seeds of chance that a shorter story is tried with: less goes wrong in it, so the old luck may not fit."""


class Shortener:
    """Looks for shorter stories that break the same rule, within a number of tries."""

    def __init__(self, rule: str, tries: int) -> None:
        self.rule = rule
        self.left = tries

    def still(self, story: Story) -> Story | None:
        """The story, with whatever seed of chance makes it fail; None when none was found."""
        for seed in range(story.seed, story.seed + 1 + CHANCES):
            if self.left <= 0:
                return None
            self.left -= 1
            other = replace(story, seed=seed)
            found = fails(other)
            if found is not None and found.rule == self.rule:
                return other
        return None

    def fewer(self, story: Story) -> Story:
        """ddmin over the acts."""
        size = max(1, len(story.acts) // 2)
        while size and self.left > 0:
            start, cut = 0, False
            while start < len(story.acts) and self.left > 0:
                found = self.still(replace(story, acts=story.acts[:start] + story.acts[start + size :]))
                if found is not None:
                    story, cut = found, True
                else:
                    start += size
            size = size if cut and size == 1 else size // 2
        return story

    def plainer(self, story: Story) -> Story:
        """One controller, well-behaved servers, no time after the last act: whatever of it still fails."""
        last = max((act.at for act in story.acts), default=0.0) + 0.5
        good = tuple((name, "good") for name, _ in story.behaviours)
        for change in ({"pilots": 1}, {"behaviours": good}, {"until": min(last, story.until)}):
            story = self.still(replace(story, **change)) or story  # type: ignore[arg-type]  # one field each
        for name, how in story.behaviours:
            if how != "good":
                fewer = tuple((n, "good" if n == name else h) for n, h in story.behaviours)
                story = self.still(replace(story, behaviours=fewer)) or story
        return story


def shrink(story: Story, rule: str, tries: int = 800) -> Story:
    """A story with as few acts as can be found in so many tries, which breaks the same rule."""
    shortener = Shortener(rule, tries)
    return shortener.fewer(shortener.plainer(shortener.fewer(story)))


def robust(story: Story, rule: str, chances: int = 20) -> int:
    """Of so many other seeds of chance, how many break the same rule with these acts: 0 means luck was needed."""
    seeds = random.Random(story.seed).sample(range(10**6), chances)
    found = (fails(replace(story, seed=seed)) for seed in seeds)
    return sum(broken is not None and broken.rule == rule for broken in found)
