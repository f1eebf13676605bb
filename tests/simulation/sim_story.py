"""A story: what happens when, made from a seed or written by hand, as plain data that can be shortened. And its stage.

`play` runs a story to its end, lets the world be well for a while, and raises the first broken rule.
Neighbours: sim_shrink.py shortens, fuzz.py makes many, test_simulation.py has the ones that were found.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from sim_end import STALE
from sim_people import CONFIGS, FEATURES, POLICIES, VERSIONS
from sim_pilot import Home, Pilot
from sim_watch import Watcher
from sim_world import World

from tidegate.engine import catalog
from tidegate.journal.journal import Journal
from tidegate.rules.api import Validator
from tidegate.spec import declared

SHARED = Path("/dev/shm")
LENGTHS = (12.0, 25.0, 50.0)
LEAST, QUIET, STEP = 15.0, 60.0, 5.0
"""Seconds of quiet after a story: at least, at most, and after how many it is looked at whether anything is left to do."""
KEPT = 3000
"""Results of pure work that are kept: what most stories have in common, and no more memory than that."""
CONDITIONS = (
    "remote", "protected", "forbidden", "noteless", "disk", "runtime", "gateway", "record", "silence", "hang", "busy",
    "losses", "doubles", "lateness", "store", "deaf",
)  # fmt: skip
"""What may be out of order for a while, by the name that the world asks for."""
FAULTS = {
    "journal.begin": ("fail", "kill_before"),
    "journal.write": ("fail", "kill_before"),
    "journal.committed": ("kill_before",),
    "gateway.weights": ("fail", "kill_before", "kill_after", "lost", "slow"),
    "gateway.apply": ("fail", "kill_before", "kill_after", "lost", "slow"),
    "gateway.start": ("fail", "kill_before", "kill_after"),
    "runtime.observe": ("fail", "kill_before"),
    "runtime.start": ("fail", "kill_before", "kill_after", "lost"),
    "runtime.stop": ("fail", "kill_before", "kill_after", "lost"),
    "probe": ("fail",),
    "git.fetch": ("fail", "kill_before", "kill_after", "lost"),
    "git.push": ("fail", "kill_before", "kill_after", "lost", "race"),
    "record.read": ("fail", "kill_after"),
    "store.fetch": ("fail", "kill_before"),
}
BEHAVIOURS = (
    "good", "good", "good", "bad", "bad", "mild", "unready", "slow", "late", "crash", "nostart", "turning", "stillborn",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """Something happens `at` seconds: the name of a method of Stage, and its arguments."""

    at: float
    name: str
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.at:7.2f}s  {self.name} {' '.join(map(str, self.args))}".rstrip()


@dataclass(frozen=True, slots=True)
class Story:
    """All of a story but chance, which `seed` decides. `until` in seconds; `behaviours` by "model version"."""

    seed: int
    models: tuple[str, ...]
    behaviours: tuple[tuple[str, str], ...]
    acts: tuple[Act, ...]
    until: float
    pilots: int = 1

    def __str__(self) -> str:
        how = ", ".join(f"{name} {what}" for name, what in self.behaviours if what != "good") or "all good"
        lines = [f"seed {self.seed}, {self.pilots} controller(s), {self.until:g} s; servers: {how}"]
        return "\n".join([*lines, *(f"  {act}" for act in self.acts)])

    def to_json(self) -> str:
        """The story on one line, for replaying it."""
        return json.dumps(
            [
                self.seed,
                self.models,
                self.behaviours,
                [[a.at, a.name, a.args] for a in self.acts],
                self.until,
                self.pilots,
            ]
        )

    @classmethod
    def from_json(cls, text: str) -> Story:
        """What `to_json` gave."""
        seed, models, behaviours, acts, until, pilots = json.loads(text)
        return cls(
            seed,
            tuple(models),
            tuple((name, how) for name, how in behaviours),
            tuple(Act(at, name, tuple(args)) for at, name, args in acts),
            until,
            pilots,
        )


def make(seed: int) -> Story:
    """The story of a seed."""
    chance = random.Random(f"story {seed}")
    models = ("m", "n") if chance.random() < 0.2 else ("m",)
    behaviours = {f"{name} {number}": chance.choice(BEHAVIOURS) for name in models for number in VERSIONS}
    for name in models:
        if chance.random() < 0.9:
            behaviours[f"{name} 1.0.0"] = "good"
    until = chance.choice(LENGTHS)
    acts = [Act(round(chance.uniform(0, 2), 2), "deploy", (name, "1.0.0", chance.choice(POLICIES))) for name in models]
    people = max(1, round(until / chance.choice((4, 8, 16))))
    acts += [_of_people(chance, models, until) for _ in range(people)]
    trouble = round(chance.choice((0, 0.5, 1, 2)) * until / 8)
    acts += [_of_the_world(chance, models, until) for _ in range(trouble)]
    pilots = 2 if chance.random() < 0.15 else 1
    if pilots == 2:
        acts += [_of_controllers(chance, until) for _ in range(chance.randint(1, 4))]
    acts.sort(key=lambda act: act.at)
    return Story(seed, models, tuple(sorted(behaviours.items())), tuple(acts), until, pilots)


def _at(chance: random.Random, until: float) -> float:
    return round(chance.uniform(0.5, until), 2)


def _of_people(chance: random.Random, models: tuple[str, ...], until: float) -> Act:
    name, at = chance.choice(models), _at(chance, until)
    kind = chance.choices(
        ("deploy", "touch", "configure", "feature", "mixed", "hold", "approve", "replicas", "rules", "sticky", "revert",
         "delete", "break_file", "force_push", "merge_proposal", "chore"),
        (14, 2, 4, 5, 1, 3, 3, 2, 3, 1, 5, 1.5, 1, 2, 2, 1),
    )[0]  # fmt: skip
    number = chance.choice(VERSIONS)
    match kind:
        case "deploy":
            rules = chance.choice(POLICIES) if chance.random() < 0.3 else None
            return Act(at, kind, (name, number, rules, chance.choice((None, None, None, 2))))
        case "configure":
            return Act(at, kind, (name, chance.choice(CONFIGS)))
        case "feature":
            return Act(at, kind, (name, chance.choice(FEATURES), chance.choice((None, *VERSIONS))))
        case "mixed":
            return Act(at, kind, (name, number))
        case "hold":
            return Act(at, kind, (name, chance.random() < 0.5))
        case "approve":
            return Act(at, kind, (name, "full"))
        case "replicas":
            return Act(at, kind, (name, chance.randint(1, 3)))
        case "rules":
            return Act(at, kind, (name, chance.choice(POLICIES)))
        case "sticky":
            return Act(at, kind, (name, chance.randint(0, 1)))
        case "revert":
            return Act(at, kind, (chance.randint(0, 2),))
        case "delete":
            what = (f"models/{name}/deployment.yaml", f"models/{name}/", "models/", "policies/", "")
            return Act(at, kind, (chance.choice(what),))
        case "break_file":
            what = (f"models/{name}/deployment.yaml", f"models/{name}/model.yaml", "policies/fast.yaml")
            return Act(at, kind, (chance.choice(what),))
        case "force_push":
            return Act(at, kind, (chance.randint(1, 3),))
    return Act(at, kind, (name,) if kind == "touch" else ())


def _of_the_world(chance: random.Random, models: tuple[str, ...], until: float) -> Act:
    at = _at(chance, until)
    kind = chance.choices(
        ("fault", "trouble", "kill", "end_server", "remove_server", "kill_gateway", "jump", "pause", "foreign", "ill",
         "restart", "rebuild", "reboot", "lose_all", "set_back"),
        (12, 9, 4, 4, 2, 2, 1, 1.5, 1, 2, 1, 0.7, 0.7, 1, 0.7),
    )[0]  # fmt: skip
    match kind:
        case "fault":
            name = chance.choice(list(FAULTS))
            return Act(at, kind, (name, chance.choice(FAULTS[name])))
        case "trouble":
            return Act(at, kind, (chance.choice(CONDITIONS), round(chance.uniform(0.5, 12.0), 1)))
        case "kill" | "restart":
            return Act(at, kind, (0, round(chance.choice((0.1, 1.0, 8.0)), 1)))
        case "end_server" | "remove_server":
            return Act(at, kind, (chance.randint(0, 5),))
        case "jump":
            return Act(at, kind, (chance.choice((-3600.0, -5.0, -0.5, 0.5, 5.0, 3600.0)),))
        case "set_back":
            return Act(at, kind, (0, round(chance.choice((0.1, 1.0, 8.0)), 1), chance.choice((5.0, 3600.0))))
        case "pause":
            return Act(at, kind, (0, round(chance.uniform(0.5, 12.0), 1)))
        case "foreign":
            return Act(at, kind, (chance.choice(models), chance.randint(0, 2)))
        case "ill":
            return Act(at, kind, (chance.randint(0, 5), round(chance.uniform(0.5, 8.0), 1)))
    return Act(at, kind)


def _of_controllers(chance: random.Random, until: float) -> Act:
    at, number = _at(chance, until), chance.randint(0, 1)
    if chance.random() < 0.5:
        return Act(at, "kill", (number, round(chance.choice((0.1, 1.0, 8.0)), 1)))
    return Act(at, "pause", (number, round(chance.uniform(2.0, 25.0), 1)))


class Stage:
    """Where a story is played. Each public method is an act."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.story = story
        self.world = World(story.seed, story.models, dict(story.behaviours))
        self.watch = Watcher(self.world)
        self.home = Home(folder, template())
        mirror = mirror_folder()
        self.watch.pilots = [Pilot(self.world, self.home, mirror, i) for i in range(story.pilots)]
        self.people = self.world.people

    def run(self) -> None:
        """The story, then the quiet after it. Raises Broken."""
        world = self.world
        for number, pilot in enumerate(self.watch.pilots):
            world.after(0.5 * number, pilot.boot)
        for act in self.story.acts:
            world.after(act.at, functools.partial(self.play, act))
        world.run(self.story.until)
        self.calm()
        quiet = STEP
        while quiet <= QUIET:
            world.run(self.story.until + quiet)
            if quiet >= LEAST and self.watch.rests():
                break
            quiet += STEP
        while world.mono - self.watch.told_at < 2 * STEP and quiet <= 2 * QUIET:  # something ended just now: servers go
            world.run(world.mono + 2 * STEP)
            quiet += 2 * STEP
        world.flow()
        self.watch.quiet()
        self.watch.raise_broken()

    def play(self, act: Act) -> None:
        """One act."""
        self.world.say(f"-- {act.name} {' '.join(map(str, act.args))}")
        self.watch.stir()
        method = getattr(self, act.name, None) or getattr(self.people, act.name)
        before = self.world.store.refs.get("refs/heads/main")
        method(*act.args)
        if self.world.store.refs.get("refs/heads/main") != before and self.world.chance["jobs"].random() < 0.5:
            self.world.hint("git")

    def calm(self) -> None:
        """Everything is in order from now on; who was away comes back."""
        world = self.world
        world.say("-- from here on all is well")
        world.until.clear()
        world.unseen_until = min(world.unseen_until, world.mono)
        world.armed.clear()
        self.watch.stir()
        for box in world.boxes.values():
            box.deaf, box.ill = min(box.deaf, world.mono), min(box.ill, world.mono)
        for pilot in self.watch.pilots:
            pilot.pause(0.0)
            if pilot.dead:
                pilot.boot()
        world.hint("git")

    # -- acts of the world ---------------------------------------------------------------------------------------------

    def fault(self, name: str, action: str) -> None:
        """The next effect of that name goes wrong."""
        self.world.armed.setdefault(name, []).append(action)

    def trouble(self, what: str, seconds: float) -> None:
        """Something is out of order for a while."""
        world = self.world
        world.flush()
        if what == "deaf":
            for box in world.boxes.values():
                box.deaf = world.mono + seconds
        if what == "runtime":
            if world.mono > world.unseen_until + STALE:
                world.unseen_since = world.mono
            world.unseen_until = world.mono + seconds
        world.until[what] = world.mono + seconds

    def kill(self, number: int, again: float) -> None:
        """SIGKILL to a controller, which is started again after so many seconds."""
        self.watch.pilots[number % len(self.watch.pilots)].die(again)

    restart = kill

    def pause(self, number: int, seconds: float) -> None:
        """SIGSTOP to a controller."""
        self.watch.pilots[number % len(self.watch.pilots)].pause(seconds)

    def _box(self, number: int) -> Any:
        boxes = [box for _, box in sorted(self.world.boxes.items()) if box.running and not box.foreign]
        return boxes[number % len(boxes)] if boxes else None

    def end_server(self, number: int) -> None:
        """A server ends by itself."""
        box = self._box(number)
        if box is not None:
            self.world.end_box(box, 137)

    def remove_server(self, number: int) -> None:
        """Somebody removes a server by hand."""
        box = self._box(number)
        if box is not None:
            self.world.end_box(box, None)

    def lose_all(self) -> None:
        """The engine of containers was restarted: all servers ended."""
        for box in list(self.world.boxes.values()):
            if not box.foreign:
                self.world.end_box(box, 137)

    def ill(self, number: int, seconds: float) -> None:
        """A server answers nobody for a while."""
        box = self._box(number)
        if box is not None:
            self.world.flow()
            box.ill = self.world.mono + seconds

    def kill_gateway(self) -> None:
        """SIGKILL to Envoy."""
        self.world.kill_gateway()

    def jump(self, seconds: float) -> None:
        """The host's clock is set."""
        self.world.flush()
        self.world.offset += seconds
        self.watch.jumps += 1

    def set_back(self, number: int, again: float, seconds: float) -> None:
        """The controller is killed, and before it starts again the host's clock is set back: what is journaled is yet to come."""
        self.kill(number, again)
        self.jump(-seconds)

    def foreign(self, model: str, kind: int) -> None:
        """A server that is not ours: of no model at all, of an unknown model under our label, or with our model's name."""
        self.world.foreign_box(("", "stranger", "")[kind], kind)

    def reboot(self) -> None:
        """The host went down and is up again; its disk is whole."""
        self.lose_all()
        self.world.kill_gateway()
        for pilot in self.watch.pilots:
            pilot.die(2.0)

    def rebuild(self) -> None:
        """The host is a new one: no disk, no servers, no gateway."""
        world = self.world
        for pilot in self.watch.pilots:
            pilot.die(2.0)
        world.kill_gateway()
        world.boxes = {name: box for name, box in world.boxes.items() if box.foreign}
        world.forget_gateway()
        self.home.build()
        self.watch.rebuilt()


@functools.cache
def template() -> Path:
    """An empty journal, to copy."""
    path = _folder() / "template.db"
    Journal(path).close()
    return path


@functools.cache
def mirror_folder() -> Path:
    """The folder that a mirror looks for; what is in it is in memory."""
    path = _folder() / "mirror"
    path.mkdir(exist_ok=True)
    (path / "tidegate-mirror").touch()
    return path


@functools.cache
def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="tidegate-simulation-", dir=SHARED if SHARED.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@contextlib.contextmanager
def pure_work_once() -> Iterator[None]:
    """What is a pure function of files is computed once for each content: reading a YAML file, judging a commit."""
    documents: dict[Any, Any] = {}
    judged: dict[Any, Any] = {}
    read, judge = declared.load_document, Validator.validate

    def read_once(kind: Any, text: bytes, path: str) -> Any:
        key = (kind, text, path)
        if key not in documents:
            if len(documents) > KEPT:
                documents.clear()
            documents[key] = read(kind, text, path)
        return documents[key]

    def judge_once(self: Validator, found: Any, files: Any, changed: Any = None) -> Any:
        key = frozenset(files.items())
        if key not in judged:
            if len(judged) > KEPT:
                judged.clear()
            judged[key] = judge(Validator(), found, files)
        return judged[key]

    with (
        mock.patch.object(declared, "load_document", read_once),
        mock.patch.object(catalog, "load_document", read_once),
        mock.patch.object(Validator, "validate", judge_once),
    ):
        yield


def play(story: Story, told: Callable[[list[str]], None] | None = None) -> Stage:
    """Play it. `told` gets what happened, line by line, however it ends. Raises Broken."""
    folder = Path(tempfile.mkdtemp(dir=_folder()))
    stage = Stage(story, folder)
    try:
        stage.run()
    finally:
        for pilot in stage.watch.pilots:
            if pilot.journal is not None:
                pilot.journal.close()
        shutil.rmtree(folder)
        if told is not None:
            told(stage.world.told)
    return stage


def without(story: Story, *gone: int) -> Story:
    """The story without some of its acts, by their place."""
    return replace(story, acts=tuple(act for i, act in enumerate(story.acts) if i not in gone))
