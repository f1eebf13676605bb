"""Stories from seeds over the whole controller, those that once failed, and that a story is the same each time it is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from sim_shrink import shrink
from sim_story import Act, Story, make, play
from sim_watch import Broken

import fuzz
from support.uncovered import uncovered

pytestmark = pytest.mark.no_cover  # measuring would cost three times what the stories do
CHUNKS, SEEDS = 6, 100
"""The same stories in each run: they tell whether a change breaks what was true of them. `make fuzz` looks for new ones."""
GOOD = (("m 1.0.0", "good"), ("m 2.0.0", "good"), ("m 3.0.0", "good"), ("m 4.0.0", "good"))


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """As `make fuzz` plays them."""
    with fuzz.ready():
        yield


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_rule_holds_in_the_stories_of_these_seeds(chunk: int) -> None:
    """In a process of its own that measures no coverage: that would cost three times what the stories do."""
    command = [sys.executable, fuzz.__file__, "--from", str(chunk * SEEDS), "--seeds", str(SEEDS), "--jobs", "1"]
    done = subprocess.run(command, env=uncovered(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{SEEDS} seeds in" in done.stdout and "0 failed" in done.stdout


def acts(*given: tuple[float, str, tuple[object, ...]]) -> tuple[Act, ...]:
    """A story's acts, in short."""
    return tuple(Act(at, name, args) for at, name, args in given)


FOUND = {
    "a look from before the host slept is none after it": Story(
        9925207, ("m",), (*GOOD, ("m 5.0.0", "good")),
        acts((31.66, "deploy", ("m", "1.0.0", "strict", None)), (35.46, "configure", ("m", "c")),
             (36.74, "approve", ("m", "full")), (37.03, "pause", (0, 7.9)), (38.93, "pause", (0, 10.7)),
             (39.11, "remove_server", (4,))), 50.0,
    ),
    "a clock that is set back while the record is out of reach makes nobody deaf": Story(
        9701122, ("m",), (*GOOD, ("m 5.0.0", "good")),
        acts((1.39, "deploy", ("m", "1.0.0", "propose")), (38.12, "deploy", ("m", "3.0.0", None, None)),
             (42.04, "trouble", ("record", 5.6)), (43.08, "jump", (-3600.0,))), 43.58,
    ),
    "a controller that sees its servers late asks them all the same before it moves anything": Story(
        64026, ("m",), (*GOOD, ("m 5.0.0", "good")),
        acts((0.44, "deploy", ("m", "1.0.0", "alone")), (3.24, "deploy", ("m", "1.0.0", None, 2)),
             (33.91, "deploy", ("m", "5.0.0", None, 2)), (38.04, "trouble", ("runtime", 6.7)),
             (39.12, "fault", ("journal.committed", "kill_before")), (45.76, "remove_server", (0,))), 46.26,
    ),
    "what was rejected on an override that ended is remembered where git takes no notes": Story(
        4375, ("m",), (*GOOD[:3], ("m 4.0.0", "bad"), ("m 5.0.0", "good")),
        acts((7.88, "feature", ("m", "f", "4.0.0")), (11.54, "feature", ("m", "g", "4.0.0")),
             (13.04, "trouble", ("noteless", 11.7)), (21.59, "force_push", (1,)), (23.21, "kill", (0, 0.1))), 23.71,
    ),
    "a stable release that starts is given its time to by who looks, not by who sleeps": Story(
        5415, ("m",), (*GOOD, ("m 5.0.0", "good")),
        acts((1.03, "deploy", ("m", "1.0.0", "careful")), (1.77, "kill", (0, 8.0)), (1.81, "feature", ("m", "g", "4.0.0")),
             (4.23, "fault", ("git.push", "fail")), (7.58, "feature", ("m", "g", "5.0.0")), (9.21, "end_server", (0,)),
             (11.44, "pause", (1, 8.9))), 25.0, 2,
    ),
    "a revert that was pushed before the controller died takes back nobody who asks once more": Story(
        1396, ("m",), (("m 1.0.0", "good"), ("m 4.0.0", "bad")),
        acts((0.76, "deploy", ("m", "1.0.0", "loose")), (17.77, "deploy", ("m", "4.0.0", None, 2)),
             (25.72, "kill", (0, 8.0)), (35.68, "deploy", ("m", "4.0.0", None, 2))), 36.2,
    ),
    "an override that comes back by the same commit is not tried again": Story(
        1078, ("m",), (("m 1.0.0", "good"), ("m 3.0.0", "nostart")),
        acts((0.92, "deploy", ("m", "1.0.0", "careful")), (7.26, "feature", ("m", "g", "3.0.0")),
             (11.65, "feature", ("m", "g", "3.0.0")), (25.72, "force_push", (3,))), 26.2,
    ),
    "a surplus replica of a release that comes back drains before it goes": Story(
        1689, ("m",), GOOD,
        acts((0.61, "deploy", ("m", "1.0.0", "careful")), (16.92, "deploy", ("m", "2.0.0", "fast", 2)),
             (47.18, "delete", ("models/",)), (59.0, "hold", ("m", True))), 59.5,
    ),
    "a server whose probes hang is not stopped for being late": Story(
        1285, ("m",), GOOD,
        acts((36.09, "replicas", ("m", 3)), (42.4, "lose_all", ()), (43.78, "trouble", ("hang", 6.9))), 60.0,
    ),
    "one bad answer after a restart does not give a candidate everything": Story(
        992, ("m",), GOOD,
        acts((0.48, "deploy", ("m", "1.0.0", "strict")), (33.86, "deploy", ("m", "2.0.0", None, None)),
             (44.94, "kill", (0, 8.0)), (47.88, "fault", ("probe", "fail"))), 60.0,
    ),
    "a controller that was stopped for a while asks before it moves": Story(
        1022, ("m",), GOOD,
        acts((1.3, "deploy", ("m", "1.0.0", "alone")), (24.47, "deploy", ("m", "3.0.0", None, None)),
             (26.0, "ill", (0, 3.9)), (27.5, "pause", (0, 6.7))), 40.0,
    ),
    "a clock that is set back stops no drain": Story(
        1312, ("m",), (("m 1.0.0", "good"), ("m 4.0.0", "bad")),
        acts((1.48, "deploy", ("m", "1.0.0", "fast")), (7.01, "deploy", ("m", "4.0.0", None, 2)),
             (12.4, "jump", (-3600.0,))), 12.9,
    ),
    "a clock that is set back while no controller runs stops no timer": Story(
        1312, ("m",), (("m 1.0.0", "good"), ("m 4.0.0", "bad")),
        acts((1.48, "deploy", ("m", "1.0.0", "fast")), (7.01, "deploy", ("m", "4.0.0", None, 2)),
             (12.4, "set_back", (0, 1.0, 3600.0))), 14.9,
    ),
    "a host that comes up with a full disk starts its gateway when there is room": Story(
        164, ("m",), GOOD,
        acts((1.0, "deploy", ("m", "1.0.0", "fast")), (18.0, "trouble", ("disk", 12.0)), (19.0, "reboot", ())), 31.0,
    ),
    "a slow server that everybody needs gets its time": Story(
        2128, ("m",), (("m 3.0.0", "late"),),
        acts((9.73, "deploy", ("m", "3.0.0", "fast", 2)), (20.34, "touch", ("m",)), (40.17, "lose_all", ())), 46.7,
    ),
    "a feature that begins again before its end could be written keeps its state": Story(
        9440247, ("m",), (*GOOD, ("m 5.0.0", "good")),
        acts((8.81, "configure", ("m", "c")), (23.58, "feature", ("m", "f", "4.0.0")), (27.02, "trouble", ("disk", 11.9)),
             (29.13, "revert", (0,)), (34.98, "feature", ("m", "f", "2.0.0"))), 35.48,
    ),
    "what a server answered before the controller stood still says nothing of it afterwards": Story(
        9472059, ("m",), (*GOOD, ("m 5.0.0", "good")),
        acts((2.86, "hold", ("m", True)), (4.86, "hold", ("m", False)), (7.06, "pause", (0, 15.2)),
             (8.52, "remove_server", (3,))), 25.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_a_story_that_failed_once_holds(name: str) -> None:
    for seed in range(8):
        story = FOUND[name]
        play(Story(story.seed + seed, story.models, story.behaviours, story.acts, story.until, story.pilots))


def test_a_controller_that_hangs_is_relieved_and_stops_when_it_wakes() -> None:
    told: list[str] = []
    bad = (("m 1.0.0", "good"), ("m 2.0.0", "bad"))
    changes = acts(
        (1.0, "deploy", ("m", "1.0.0", "fast")), (10.0, "pause", (0, 40.0)), (12.0, "deploy", ("m", "2.0.0"))
    )
    play(Story(7, ("m",), bad, changes, 60.0, pilots=2), told.extend)
    text = "\n".join(told)
    assert text.index("controller 1 starts") < text.index("rolled_back") < text.index("controller 0 has lost the lease")


def test_the_same_story_is_told_the_same_way() -> None:
    for seed in range(5):
        first: list[str] = []
        second: list[str] = []
        play(make(seed), first.extend)
        play(Story.from_json(make(seed).to_json()), second.extend)
        assert first == second


def test_a_failing_story_is_shortened_to_what_matters() -> None:
    import sim_bugs

    with sim_bugs.foreign_servers_stopped():
        seed, rule, _ = next(found for seed in range(200) if (found := next(iter(fuzz.run([seed])), None)))
        story = shrink(make(seed), rule, tries=120)
        assert rule == "foreign"
        assert len(story.acts) <= 3
        with pytest.raises(Broken, match="foreign"):
            play(story)
        assert "replay: python tests/simulation/fuzz.py --from" in fuzz.report(seed, rule, "")
    play(story)
