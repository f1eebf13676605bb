"""The five chapters: first release, good release, bad release, a config and its revert, the revert of a promoted release.

Each acts as a person would (edit, commit, push, git revert) and waits for what was promised. Neighbours: world.py has the
means, report.py keeps the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tidegate.cli.tour.report import Chapter
from tidegate.cli.tour.traffic import Traffic
from tidegate.cli.tour.world import World

FIRST, GOOD, BAD = "1.1.0", "2.0.0", "2.1.0"
WITHIN = 60.0
INSTANT = 5.0
SWITCH_MS = 500.0
SETTLE = 1.5

Say = Callable[[str], None]


class Tour:
    """The chapters in order, in one world, under one stream of traffic."""

    def __init__(self, world: World, traffic: Traffic, say: Say) -> None:
        self._world = world
        self._traffic = traffic
        self._say = say
        self._good_commit = ""
        self._told = 0.0
        self.bad_releases: set[str] = set()

    def first_release(self) -> Chapter:
        """No baseline, no steps: validated, then everything."""
        chapter = Chapter("first release")
        self._say(f"A pull request is merged: serve digits {FIRST}.")
        chapter.commit, pushed = self._world.deploy(FIRST, "The first release.")
        promoted = self._until("promoted", pushed, "the first release to be promoted")
        self._world.wait(self._answers, WITHIN, "the gateway to answer")
        self._traffic.start()
        self._world.wait(lambda: self._first(promoted["release"], pushed), WITHIN, "the first answer")
        return self._done(chapter, pushed, promoted, noted=True)

    def good_release(self) -> Chapter:
        """Step by step to everyone."""
        chapter = Chapter("a good release")
        self._say(f"Merged: digits {GOOD}. It walks its steps while both answer.")
        chapter.commit, pushed = self._world.deploy(GOOD, "A better architecture.")
        self._good_commit = chapter.commit
        promoted = self._until("promoted", pushed, f"{GOOD} to be promoted")
        steps = [event["step"] for event in self._world.events(pushed) if event["kind"] == "step"]
        chapter.promise(steps == ["canary", "half", "full"], f"it walked {steps}")
        return self._done(chapter, pushed, promoted, noted=True)

    def bad_release(self) -> Chapter:
        """Caught in its canary; traffic first, then git."""
        chapter = Chapter("a bad release")
        self._say(f"Merged: digits {BAD}. Its evaluation is the best so far, and scans of the new scanner break it.")
        before = self._world.asked_for()
        chapter.commit, pushed = self._world.deploy(BAD, "Better figures on the evaluation set.")
        rejected = self._until("rolled_back", pushed, f"{BAD} to be rolled back")
        self.bad_releases.add(rejected["release"])
        self._say(f"Rolled back: {rejected['reason']}")
        self._world.wait(lambda: self._world.asked_for() == before, WITHIN, "the revert commit on the remote")
        trailers = self._world.git("log", "-1", "--format=%(trailers:only,unfold)", "main", at=self._world.remote)
        time.sleep(SETTLE)
        last = max(
            (answer.got for answer in self._traffic.since(pushed) if answer.release == rejected["release"]), default=0.0
        )
        chapter.last_bad_ms = max(0.0, (last - rejected["at"]) * 1000)
        steps = [event["step"] for event in self._world.events(pushed) if event["kind"] == "step"]
        chapter.promise(steps == ["canary"], f"it was let into {steps}")
        chapter.promise(
            chapter.last_bad_ms < SWITCH_MS, f"it still answered {chapter.last_bad_ms:.0f} ms after the verdict"
        )
        for name in ("Tidegate-Route", "Tidegate-Release", "Tidegate-Rejects", "Tidegate-Reason"):
            chapter.promise(name in trailers, f"the revert commit lacks {name}")
        started = self._first(rejected["release"], pushed)
        chapter.effect_s = (started or rejected["at"]) - pushed
        chapter.took_s = rejected["at"] - pushed
        return chapter

    def config_change(self) -> list[Chapter]:
        """Behaviour changes, containers do not; and back."""
        chapter = Chapter("an inference config")
        running = self._world.instances()
        self._say("Merged: three likeliest digits in each answer instead of one. Only the config changes.")
        chapter.commit, pushed = self._world.edit_config("top_k: 1 ", "top_k: 3 ", "digits: the three likeliest digits")
        promoted = self._until("promoted", pushed, "the config to be promoted")
        self._promise_same(chapter, running)
        self._promise_width(chapter, promoted, 3)
        first = self._done(chapter, pushed, promoted, noted=True)
        back = Chapter("git revert of the config")
        self._say("Product changes its mind: git revert.")
        back.commit, pushed = self._world.revert(chapter.commit)
        returned = self._until("fast_rollback", pushed, "the config to be back")
        self._promise_same(back, running)
        self._promise_width(back, returned, 1)
        self._promise_instant(back, pushed, returned, promoted["release"])
        return [first, self._done(back, pushed, returned, noted=False)]

    def revert_promoted(self) -> Chapter:
        """The standby is hot: no steps."""
        chapter = Chapter("git revert of a promoted release")
        self._say(f"Somebody reverts {GOOD} altogether. {FIRST} is hot: back at once.")
        left = self._world.route() or {}
        chapter.commit, pushed = self._world.revert(self._good_commit)
        returned = self._until("fast_rollback", pushed, f"{FIRST} to be back")
        chapter.promise(returned["version"] == FIRST, f"it went back to {returned['version']}")
        self._promise_instant(chapter, pushed, returned, left["stable"]["release"])
        return self._done(chapter, pushed, returned, noted=False)

    # -- what every chapter needs ----------------------------------------------------------------------------------

    def _until(self, kind: str, since: float, what: str) -> dict[str, Any]:
        """The first event of a kind that no chapter before has seen; the controller may have been faster than the push."""
        found: list[dict[str, Any]] = []

        def seen() -> bool:
            events = self._world.events(since - 1.0)
            found.extend(one for one in events if one["kind"] == kind and one["at"] > self._told)
            return bool(found)

        self._world.wait(seen, WITHIN, what)
        self._told = float(found[0]["at"])
        return found[0]

    def _answers(self) -> bool:
        route = self._world.route()
        return bool(route and route["stable"] and route["ready"].get(route["stable"]["release"]) == "ready")

    def _first(self, release: str, since: float) -> float | None:
        """When the first answer of a release came."""
        return min((answer.got for answer in self._traffic.since(since) if answer.release == release), default=None)

    def _promise_instant(self, chapter: Chapter, pushed: float, event: dict[str, Any], left: str) -> None:
        steps = [one for one in self._world.events(pushed) if one["kind"] == "step"]
        chapter.promise(not steps, "it walked steps")
        chapter.promise(event["at"] - pushed < INSTANT, f"it took {event['at'] - pushed:.1f} s")
        time.sleep(SETTLE)
        last = max(
            (answer.got for answer in self._traffic.since(pushed) if answer.release == left), default=event["at"]
        )
        chapter.last_bad_ms = max(0.0, (last - event["at"]) * 1000)
        chapter.promise(
            chapter.last_bad_ms < SWITCH_MS, f"the old one still answered {chapter.last_bad_ms:.0f} ms later"
        )

    def _promise_same(self, chapter: Chapter, before: dict[str, str]) -> None:
        """Nothing was started; what may still be ending is the bad release, whose time was over before."""
        now = self._world.instances()
        chapter.promise(now.items() <= before.items(), f"started: {sorted(set(now) - set(before)) or 'one anew'}")
        serving = [name for name in before if f"-{GOOD}-" in name]
        chapter.promise(
            bool(serving) and all(now.get(name) == before[name] for name in serving), f"{GOOD} did not stay"
        )

    def _promise_width(self, chapter: Chapter, event: dict[str, Any], width: int) -> None:
        """Answers of this release name so many digits: the config was merged into what the server was sent."""
        import orjson

        def seen() -> bool:
            return any(
                one.release == event["release"] and one.status == 200 for one in self._traffic.since(event["at"])
            )

        self._world.wait(seen, WITHIN, "an answer under the config")
        answer = next(
            one for one in self._traffic.since(event["at"]) if one.release == event["release"] and one.status == 200
        )
        outputs = {one["name"]: one for one in orjson.loads(answer.body)["outputs"]}
        found = outputs["digit"]["shape"][-1]
        chapter.promise(found == width, f"answers name {found} digits, not {width}")

    def _done(self, chapter: Chapter, pushed: float, event: dict[str, Any], *, noted: bool) -> Chapter:
        def first() -> float | None:
            return self._first(event["release"], pushed)

        self._world.wait(lambda: first() is not None, WITHIN, "an answer of the new release")
        chapter.effect_s = (first() or event["at"]) - pushed
        chapter.took_s = event["at"] - pushed
        if noted:
            self._world.wait(lambda: self._note(chapter.commit), WITHIN, "the note on the commit")
        return chapter

    def _note(self, commit: str) -> bool:
        from tidegate.spec.errors import NeedsPerson

        try:
            return '"promoted"' in self._world.git("notes", "--ref=tidegate", "show", commit, at=self._world.remote)
        except NeedsPerson:  # not noted yet
            return False
