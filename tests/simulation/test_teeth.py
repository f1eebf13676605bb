"""The rules have teeth: each planted defect is found within a few seeds, by the rule that is meant for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
import sim_bugs
import sim_exhaustive
from sim_shrink import fails, shrink
from sim_story import Act, Story, make

import fuzz

pytestmark = pytest.mark.no_cover  # measuring would cost three times what the stories do
SEEDS = 300


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with fuzz.ready():
        yield


def stories(bug: Callable[[], object]) -> Iterator[Story]:
    """Stories as they come; for what needs a crash right after a push, or a clock that is set back in a trial, with those."""
    for seed in range(100_000, 100_000 + SEEDS):
        story = make(seed)
        if bug is sim_bugs.reverts_twice:
            story = _with(story, *(Act(at, "fault", ("git.push", "kill_after")) for at in (5.0, 10.0, 15.0, 20.0)))
        if bug is sim_bugs.windows_counted_anew:
            story = _with(story, *(Act(at, "jump", (-5.0,)) for at in (10.0, 20.0, 30.0, 40.0)))
        yield story


def _with(story: Story, *acts: Act) -> Story:
    return replace(story, acts=tuple(sorted((*story.acts, *acts), key=lambda act: act.at)))


@pytest.mark.parametrize(("bug", "rules"), sim_bugs.BUGS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_defect_is_found(bug: Callable[[], AbstractContextManager[object]], rules: set[str]) -> None:
    with bug():
        broken, story = next((b, story) for story in stories(bug) if (b := fails(story)) is not None)
        assert broken.rule in rules, broken
        short = shrink(story, broken.rule, tries=12)  # how short it gets, test_simulation asks
        assert len(short.acts) <= len(story.acts)
        found = fails(short)
        assert found is not None
        assert found.rule == broken.rule
    assert fails(short) is None


def test_the_exhaustive_search_finds_a_skipped_step() -> None:
    with sim_bugs.steps_skipped(), pytest.raises(sim_exhaustive.Wrong, match=r"from step 0 to step 2.*after:"):
        sim_exhaustive.search(6, seconds=120)


def test_the_exhaustive_search_finds_a_second_try() -> None:
    with sim_bugs.rejected_tried_again(), pytest.raises(sim_exhaustive.Wrong, match="the same commit tries again"):
        sim_exhaustive.search(6, seconds=120)
