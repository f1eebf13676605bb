"""One story of a route, told on a real remote, Envoy and servers, by a controller that may kill itself at one point.

A first release, a second one through three steps, a third one that is bad: rejected, taken back in git. Users ask all the
while. Neighbours: crash_child.py is the controller's program, world.py the world; `judge` says what must hold at any point.
"""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.traffic import Reply, Traffic
from support.uncovered import uncovered
from support.world import World, environment
from support.written import below
from tidegate.journal.reader import Reader

CHILD = Path(__file__).with_name("crash_child.py")
PATIENCE = 90.0
BAD = {"ERROR_RATE": "0.7"}
SHARES = {"canary": 0.2, "half": 0.5, "full": 1.0}
WANTED = [
    "started", "promoted", "started", "step canary", "step half", "step full", "promoted",
    "started", "step canary", "rolled_back",
]  # fmt: skip
PASSING = ("held", "resumed")
"""A step may wait, and say so: for evidence that a restart reads anew."""
SWITCH = 0.1
"""Seconds that a request may be under way, on a busy machine, when weights are confirmed."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the trace. `at` in epoch seconds; a point is (moment, name, side)."""

    at: float
    moment: str
    name: str
    side: str

    @property
    def point(self) -> str:
        """As CRASH_AT wants it."""
        return f"{self.moment} | {self.name} | {self.side}"


@dataclass(slots=True)
class Outcome:
    """What a story was like. `wrong`: what must not be; `end`: how everything stands afterwards, without times and numbers."""

    asked: tuple[str, ...]
    reached: tuple[str, ...]
    seconds: float
    requests: int
    failed: int
    misled: int
    steps: int
    away: tuple[float, ...]
    wrong: list[str]
    end: dict[str, Any]
    trace: list[Told] = field(repr=False)


class CrashWorld(World):
    """A world whose controller is crash_child.py, and comes back by itself each time that it was killed."""

    def __init__(self, folder: Path, kind: str, image: str | None, asked: tuple[str, ...] = ()) -> None:
        super().__init__(folder, kind, image)
        self.asked = asked
        self.trace, self.points, self.done = folder / "trace.jsonl", folder / "points", folder / "done"
        self.deaths: list[float] = []
        self.broken: list[str] = []
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def spawn(self, *words: str) -> subprocess.Popen[bytes]:
        """The controller under its tracer."""
        hooks = {"CRASH_TRACE": str(self.trace), "CRASH_AT": str(self.points), "CRASH_DONE": str(self.done)}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(CHILD), "run", "--config", str(self.settings), *words],
                stdout=log,
                stderr=log,
                env={**uncovered(environment()), **hooks},  # what it traces is slow enough
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def begin_keeping(self) -> None:
        """Start the controller, and start it again whenever it killed itself."""
        self.points.write_text("".join(f"{point}\n" for point in self.asked))
        self.done.mkdir()
        self.spawn()
        self._keeper.start()

    def _keep(self) -> None:
        while True:
            code = self.processes[-1].wait()
            if self._ending.is_set():
                return
            if code != -signal.SIGKILL or len(list(self.done.iterdir())) != len(self.deaths) + 1:
                self.broken.append(f"the controller ended with {code}")
                return
            self.deaths.append(time.time())
            self.spawn()

    def end_keeping(self) -> None:
        """SIGTERM, and no new one."""
        self._ending.set()
        if self.processes and self.processes[-1].poll() is None:
            self.processes[-1].send_signal(signal.SIGTERM)
        if self._keeper.is_alive():
            self._keeper.join(30)

    def told(self) -> list[Told]:
        """The trace so far."""
        return [Told(*json.loads(line)) for line in self.trace.read_text().splitlines()] if self.trace.exists() else []


def tell(world: CrashWorld) -> Outcome:
    """Tell the whole story, and say what was wrong with it. The world is made, nothing runs."""
    began = time.monotonic()
    world.make()
    world.begin_keeping()
    users = Traffic(world.port, "/digits/infer", clients=2, pause=0.01)
    try:
        world.model()
        world.version("1.0.0")
        first = world.deploy("1.0.0")
        world.until("promoted", commit=first, within=PATIENCE)
        world.wait(lambda: world.ask().status == 200, "an answer", PATIENCE)
        with users:
            world.version("1.1.0")
            second = world.deploy("1.1.0")
            world.until("promoted", commit=second, within=PATIENCE)
            world.version("2.0.0", env=BAD)
            third = world.deploy("2.0.0")
            world.until("rolled_back", commit=third, within=PATIENCE)
            world.wait(lambda: world.head() != third, "the revert commit", PATIENCE)
            world.wait(lambda: settled(world), "everything to be settled", PATIENCE)
            users.more(20)
    finally:
        users.stop()
        world.end_keeping()
    return judge(world, users, time.monotonic() - began)


def settled(world: CrashWorld) -> bool:
    """Nothing is owed, nothing is on trial, nothing runs that need not."""
    route = world.route()
    return (
        bool(route)
        and not (route["git_pending"] or route["candidate"])
        and Counter(one["version"] for one in world.live()["instances"] if one["running"]) == {"1.0.0": 1, "1.1.0": 1}
        and world.live()["commit"] == world.head()
    )


def judge(world: CrashWorld, users: Traffic, seconds: float) -> Outcome:
    """What must hold whatever the point."""
    events, trace, replies = world.events(), world.told(), list(users.replies)
    wrong = list(world.broken)
    kinds = [f"step {e['step']}" if e["kind"] == "step" else e["kind"] for e in events if e["kind"] not in PASSING]
    if kinds != WANTED:
        wrong.append(f"events: {kinds}")
    failed = [reply for reply in replies if reply.status != 200 and reply.version != "2.0.0"]
    wrong += [f"failed: {reply.status} {reply.error} {reply.body[:80]!r}" for reply in failed[:3]]
    misled: list[str] = []
    if kinds == WANTED:
        wrong += shortened(events)
        misled = astray([e for e in events if e["kind"] not in PASSING], trace, replies)
        wrong += misled[:5]
    end = picture(world)
    subjects = world.commits()
    if len(subjects) != 5 or subjects[1:] != ["digits 2.0.0", "digits 1.1.0", "digits 1.0.0", "Policies"]:
        wrong.append(f"commits: {subjects}")
    away = tuple(min((one.at for one in trace if one.at > death), default=math.inf) - death for death in world.deaths)
    return Outcome(
        asked=world.asked,
        reached=tuple(world.asked[int(path.name)] for path in world.done.iterdir()),
        seconds=seconds,
        requests=len(replies),
        failed=len(failed),
        misled=len(misled),
        steps=sum(kind.startswith("step ") for kind in kinds),
        away=away,
        wrong=wrong,
        end=end,
        trace=trace,
    )


def shortened(events: list[dict[str, Any]]) -> list[str]:
    """Steps that did not last as long as they say: a second each."""
    wrong = []
    for number, event in enumerate(events):
        following = next((later for later in events[number + 1 :] if later["kind"] not in PASSING), None)
        if event["kind"] == "step" and following is not None and following["kind"] in ("step", "promoted"):
            lasted = following["at"] - event["at"]
            if lasted < 1.0:
                wrong.append(f"step {event['step']} of {event['version']} lasted {lasted:.3f} s")
    return wrong


def astray(events: list[dict[str, Any]], trace: list[Told], replies: list[Reply]) -> list[str]:
    """Answers by a release that had no share then, and shares that are not as declared.

    A change of shares counts from when a controller has told Envoy so and Envoy has confirmed; from the decision until
    then (a controller may die in between) both the old and the new share are right.
    """
    shares: list[tuple[float, float, dict[str, float]]] = [(0.0, 0.0, {"1.0.0": 1.0})]
    stable = "1.0.0"
    for event in events[2:]:
        share = SHARES.get(event["step"] or "", 0.0) if event["kind"] == "step" else 0.0
        if event["kind"] == "promoted":
            stable = event["version"]
        now = {stable: 1.0 - share} | ({event["version"]: share} if share else {})
        live = _confirmed(trace, event["at"])
        shares.append((event["at"], live, {version: part for version, part in now.items() if part}))
    wrong = []
    for number, (at, live, now) in enumerate(shares):
        before = shares[number - 1][2] if number else now
        until = shares[number + 1][0] if number + 1 < len(shares) else math.inf
        changing = {r.version for r in replies if at - SWITCH <= r.sent < min(live + SWITCH, until)}
        allowed = {*now, *before, *(shares[number + 1][2] if number + 1 < len(shares) else ())}
        if not changing <= allowed | {None}:
            wrong.append(f"{changing - allowed} answered at the change to {now}")
        steady = Counter(r.version for r in replies if live + SWITCH <= r.sent < until - SWITCH and r.status)
        strangers = {version: many for version, many in steady.items() if version not in now}
        if strangers:
            wrong.append(f"{strangers} answered while {now} was declared")
        total = sum(steady.values())
        for version, part in now.items():
            bound = 5 * math.sqrt(total * part * (1 - part)) + 1
            if abs(steady[version] - total * part) > bound:
                wrong.append(f"{version} gave {steady[version]} of {total} answers while {now} was declared")
    return wrong


def _confirmed(trace: list[Told], since: float) -> float:
    """When a controller first heard from Envoy that what was decided then is live."""
    name = "gateway.supervisor.Gateway.apply"
    return min((one.at for one in trace if one.at > since and (one.name, one.side) == (name, "return")), default=since)


def picture(world: CrashWorld) -> dict[str, Any]:
    """How everything stands, without times, numbers and ids: the same after each story."""
    with Reader(world.state / "journal.db") as journal:
        [doc] = journal.states().values()
    notes: dict[str, list[str]] = {}
    for subject, commit in zip(
        world.commits(), world.git("log", "--format=%H", "main", at=world.remote).split(), strict=True
    ):
        notes[subject] = [f"{note['kind']} {note['version']}" for note in world.notes(commit)]
    refs = world.git("for-each-ref", "--format=%(refname) %(objectname)", at=world.remote).splitlines()
    subject_of = dict(
        line.split(" ", 1) for line in world.git("log", "--all", "--format=%H %s", at=world.remote).splitlines()
    )
    notes = {_subject(subject): found for subject, found in notes.items()}
    return {
        "stable": doc["stable"]["version"],
        "candidate": doc["candidate"],
        "standby": [one["release"]["version"] for one in doc["standby"]],
        "promoted": [one["version"] for one in doc["promoted"]],
        "rejected": len(doc["rejected"]),
        "duties": doc["duties"],
        "degraded": doc["degraded"],
        "notes": notes,
        "refs": sorted(
            name if name.startswith("refs/notes") else f"{name} {_subject(subject_of[commit])}"
            for name, commit in (line.split() for line in refs)
        ),
        "trailers": sorted(world.trailers()),
        "running": sorted(name.rsplit("-", 2)[0] for name in world.running()),
        "weights": weights(world),
        "files": leftovers(world.state, world.instance),
    }


def _subject(subject: str) -> str:
    """A commit's subject without the evidence in numbers."""
    return subject.partition(":")[0]


def weights(world: CrashWorld) -> Mapping[str, float]:
    """What the status says of the shares, by version."""
    route = world.route()
    names = {route[role]["release"]: route[role]["version"] for role in ("stable", "candidate") if route[role]}
    return {names.get(release, release): share for release, share in route["weights"].items()}


def leftovers(state: Path, instance: str) -> list[str]:
    """Every file and folder of the state, numbers and digests left out; git's objects and SQLite's own files aside."""
    found = set()
    for path in below(state):
        name = str(path.relative_to(state))
        if re.match(r"repository[.]git/(objects|logs)|journal[.]db-|gateway/weights/\d+/", name):
            continue
        name = re.sub(r"[0-9a-f]{12,}", "H", name.replace(instance, "I"))
        found.add(re.sub(r"\d+[.]\d+[.]\d+|\d+", lambda word: word[0] if "." in word[0] else "N", name))
    return sorted(found)


def points(trace: list[Told]) -> list[str]:
    """The distinct crash points of a told story, in order. Calls are no effects."""
    return list(dict.fromkeys(one.point for one in trace if one.side not in ("call", "return")))


def clean(world: CrashWorld) -> None:
    """End all that the story started."""
    world.end_keeping()
    world.clean()


def check(outcome: Outcome, told: Outcome) -> list[str]:
    """All that is wrong with a story, held against the one without a crash; each with the points that it died at."""
    wrong = list(outcome.wrong)
    for name, now in outcome.end.items():
        before = told.end[name]
        if now != before:
            wrong.append(f"at the end, {name}: {_difference(before, now)}")
    return [f"{one}; killed at {', '.join(outcome.reached)}" for one in wrong]


def _difference(before: Any, now: Any) -> str:
    if isinstance(now, list) and all(isinstance(one, str) for one in now):
        return f"{sorted(set(now) - set(before))} are new, {sorted(set(before) - set(now))} are missing"
    return f"{now}, not {before}"


def sweep(
    asked: list[str], folder: Path, make: Callable[[Path, tuple[str, ...]], CrashWorld], *, kills: int, side: int
) -> list[Outcome]:
    """The story as often as it takes to end once at each point: `kills` of them a story, far apart; `side` at once."""
    stories = math.ceil(len(asked) / kills)

    def one(number: int) -> Outcome:
        world = make(folder / f"story{number}", tuple(asked[number::stories]))
        try:
            return tell(world)
        finally:
            clean(world)

    with ThreadPoolExecutor(side) as pool:
        return list(pool.map(one, range(stories)))
