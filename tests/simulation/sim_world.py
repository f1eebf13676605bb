"""The world of one story: clock, servers, gateway, record and what fails in it. Everything here outlives a controller.

One heap of things to come, one seed for all chance. Neighbours: sim_ends.py is how a controller reaches it, sim_watch.py
looks for broken invariants, sim_git.py is the remote.
"""

from __future__ import annotations

import errno
import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sim_git import Answer, Host, Store
from sim_people import People

from tidegate.gateway.model import Arm, Route, Table
from tidegate.gateway.names import cluster_name
from tidegate.spec.errors import NeedsPerson, RetryLater

if TYPE_CHECKING:
    from sim_pilot import Pilot
    from sim_watch import Watcher

T = TypeVar("T")
T0 = 1_700_000_000.0
RATE = 8.0
"""Requests a second on each route."""
INTERNAL = 0.2
"""The part of them that belongs to the segment `internal`."""
FLUSH = 0.1
PORTS = 20_000


class Killed(BaseException):
    """SIGKILL: the controller ends here, between two effects."""


@dataclass(slots=True)
class Box:
    """One container or process. `deaf`: too busy to answer a probe until then; `ill`: answers 503 until then (world time)."""

    name: str
    model: str
    version: str
    digest: str
    replica: int
    ref: str
    port: int
    started: float
    ready_at: float
    dies_at: float
    running: bool = True
    exit_code: int | None = None
    foreign: bool = False
    deaf: float = 0.0
    ill: float = 0.0
    ended: float = 0.0
    asked: float = -1e9

    def serves(self, at: float) -> bool:
        """Whether it answers requests."""
        return self.running and at >= self.ready_at and at >= self.ill

    def answers(self, at: float) -> bool:
        """Whether it answers its probe."""
        return self.serves(at) and at >= self.deaf


Entries = dict[str | None, dict[str, int]]
"""By segment (None: the rest), the weight of each cluster."""


@dataclass(slots=True)
class Envoy:
    """The gateway's process and its files. `routes`: entries by route; `arms` by cluster; `endpoints` by upstream.

    `gone`: until when an upstream that no route names is drained.
    """

    up: bool = False
    routes: dict[str, Entries] = field(default_factory=dict)
    arms: dict[str, Arm] = field(default_factory=dict)
    endpoints: dict[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    unread: dict[str, Entries] = field(default_factory=dict)

    def shares(self, route: str, segment: str | None) -> dict[str, float]:
        """Who gets which part of this traffic, by cluster."""
        weights = self.routes.get(route, {}).get(segment) or self.routes.get(route, {}).get(None, {})
        total = sum(weights.values())
        return {name: weight / total for name, weight in weights.items() if weight} if total else {}


class World:
    """`behaviours`: by "model version", how such a server is. `watch` is told of everything that matters."""

    def __init__(self, seed: object, models: tuple[str, ...], behaviours: dict[str, str]) -> None:
        self.mono = 0.0
        self.offset = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._seq = 0
        self.chance = {
            name: random.Random(f"{seed}:{name}") for name in ("jobs", "ticks", "traffic", "gateway", "controller")
        }
        self.behaviours = behaviours
        self.boxes: dict[str, Box] = {}
        self.went: dict[str, float] = {}
        self.relieved: dict[str, float] = {}
        self.envoy = Envoy()
        self.log: list[dict[str, Any]] = []
        self._pending: list[tuple[float, int, dict[str, Any]]] = []
        self._flowed = 0.0
        self._owed: dict[str, float] = {}
        self._refs = 0
        self.until: dict[str, float] = {}
        self.unseen_since = self.unseen_until = 0.0  # between them nobody learns what runs
        self.armed: dict[str, list[str]] = {}
        self.told: list[str] = []
        self.current: Pilot | None = None
        self.watch: Watcher
        self.store = Store()
        self.host = Host(self.store, self._network, self._guard)
        self.people = People(self.store, self.now, models)

    # -- time ----------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """What the host's clock shows: epoch seconds."""
        return T0 + self.mono + self.offset

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something happen then."""
        self._seq += 1
        heapq.heappush(self._heap, (self.mono + seconds, self._seq, act))

    def run(self, until: float) -> None:
        """Everything that happens up to then, in order."""
        while self._heap and self._heap[0][0] <= until:
            at, _, act = heapq.heappop(self._heap)
            self.mono = max(self.mono, at)
            act()
            self.watch.raise_broken()
        self.mono = max(self.mono, until)

    def say(self, text: str) -> None:
        """A line for whoever reads the story afterwards."""
        self.told.append(f"{self.mono:8.3f}  {text}")

    # -- what fails ----------------------------------------------------------------------------------------------------

    def bad(self, what: str) -> bool:
        """Whether something is out of order just now."""
        return self.mono < self.until.get(what, 0.0)

    def effect(self, name: str, act: Callable[[], T], fail: Callable[[], T]) -> T:
        """One call into the world. An armed fault of that name is used up by it."""
        pilot = self.current
        if pilot is not None:
            self.watch.acts(pilot, name)
        waiting = self.armed.get(name)
        if not waiting:
            return act()
        action = waiting.pop(0)
        self.say(f"{name}: {action}")
        self.watch.stir()
        if action == "fail":
            return fail()
        if action == "race":
            self.people.chore()
        if action == "kill_before" and pilot is not None:
            raise Killed
        found = act()
        if action == "kill_after" and pilot is not None:
            raise Killed
        if action == "slow":
            self.mono += 2.5
        return fail() if action == "lost" else found

    def _network(self, name: str, act: Callable[[], Answer], fail: Callable[[], Answer]) -> Answer:
        return self.effect(name, lambda: fail() if self.bad("remote") else act(), fail)

    def _guard(self, ref: str) -> str:
        if self.bad("protected") and ref.startswith("refs/heads/"):
            return (
                ""
                if ref.startswith("refs/heads/tidegate/") and not self.bad("forbidden")
                else "protected branch hook declined"
            )
        return "no notes here" if self.bad("noteless") and not ref.startswith("refs/heads/") else ""

    def disk(self) -> None:
        """Raises when the disk is full."""
        if self.bad("disk"):
            raise OSError(errno.ENOSPC, "No space left on device", "state")

    # -- servers -------------------------------------------------------------------------------------------------------

    def start_box(self, name: str, model: str, version: str, digest: str, replica: int) -> None:
        """What a runtime does to run a workload."""
        there = self.boxes.get(name)
        if there is not None and there.foreign:
            self.watch.broken("foreign", f"{name} is somebody else's, and was to be replaced")
        if there is not None and there.running:
            return
        if there is not None and there.ready_at <= there.ended:
            self.relieved[name] = there.ended
        how = self.behaviours.get(f"{model} {version}", "good")
        if how == "nostart":
            raise NeedsPerson("no such image", where=name, fix="push it")
        self._refs += 1
        delay = {"slow": 4.0, "late": 9.0, "unready": 1e9}.get(how, 0.3)
        ready = self.mono + delay
        dies = {"crash": ready + 2.5, "stillborn": self.mono + 0.1}.get(how, 1e18)
        taken = {box.port for box in self.boxes.values()}
        port = next(p for p in range(PORTS, PORTS + 1000) if p not in taken)
        box = Box(name, model, version, digest, replica, f"ref-{self._refs}", port, self.now(), ready, dies)
        self.boxes[name] = box
        self.say(f"{name} starts")
        if dies < 1e18:
            self.after(dies - self.mono, lambda: self.end_box(box, 1))

    def end_box(self, box: Box, code: int | None) -> None:
        """It ends by itself or by somebody's hand; with a code of None it is gone altogether."""
        if self.boxes.get(box.name) is not box:
            return
        self.flow()
        if box.running:
            self.say(f"{box.name} {'is gone' if code is None else 'ends'}")
            box.running, box.exit_code, box.ended = False, code, self.mono
        if code is None:
            del self.boxes[box.name]
            self.went[box.name] = self.mono
        self.hint("runtime")

    def foreign_box(self, model: str, kind: int) -> None:
        """A server of somebody else's. Under our label only when it names a model."""
        name = f"foreign-{kind}"
        if name not in self.boxes:
            self._refs += 1
            box = Box(
                name, model, "1.0.0", "f" * 64, 0, f"ref-{self._refs}", 30_000 + kind, self.now(), self.mono, 1e18
            )
            box.foreign = True
            self.boxes[name] = box

    def forget_gateway(self) -> None:
        """The gateway's files and its record are gone."""
        self.flush()
        self.envoy = Envoy()
        self.log, self._pending = [], []

    def hint(self, kind: str) -> None:
        """Tell the controllers that something changed, as watchers do."""
        for pilot in self.watch.pilots:
            pilot.hint(kind)

    def at_port(self, port: int) -> Box | None:
        """Who listens there."""
        return next((box for box in self.boxes.values() if box.port == port and box.running), None)

    def behaviour(self, box: Box) -> float:
        """The share of requests that it fails."""
        how = self.behaviours.get(f"{box.model} {box.version}", "good")
        if how == "turning":
            return 0.9 if self.mono > box.ready_at + 20 else 0.0
        return {"bad": 0.9, "mild": 0.25}.get(how, 0.0)

    # -- gateway and traffic -------------------------------------------------------------------------------------------

    def serving(self, cluster: str) -> bool:
        """Whether a request to this cluster would be answered by the release that it is for."""
        arm = self.envoy.arms[cluster]
        boxes = [self.at_port(port) for _, port in self.envoy.endpoints.get(arm.upstream, ())]
        return any(box is not None and self.mine(box, arm) and box.serves(self.mono) for box in boxes)

    def mine(self, box: Box, arm: Arm) -> bool:
        """Whether this server is one of that arm's workload."""
        return not box.foreign and f"workload-{box.digest[:16]}" == arm.upstream

    def flow(self) -> None:
        """Requests since the last call, under the weights as they were."""
        seconds, began = self.mono - self._flowed, self._flowed
        self._flowed = self.mono
        if seconds <= 0:
            return
        if not self.envoy.up or self.bad("silence"):
            self.watch.breaks += 1
            return
        chance, envoy = self.chance["traffic"], self.envoy
        for route in envoy.routes:
            owed = self._owed.get(route, 0.0) + RATE * seconds
            count = int(owed)
            self._owed[route] = owed - count
            self.watch.flowed(route, seconds)
            if not count:
                continue
            model, _, feature = route.partition("/")
            by_segment = {segment: self._targets(route, segment) for segment in (None, "internal")}
            for i in range(count):
                segment = "internal" if chance.random() < INTERNAL else None
                targets = by_segment[segment]
                at = began + (i + 0.5) * seconds / count
                if not targets:
                    self.watch.answered(route, None, False)
                    continue
                cluster, boxes = self._pick(targets, chance)
                arm = envoy.arms[cluster]
                box = boxes[int(chance.random() * len(boxes))] if boxes else None
                right = box is not None and self.mine(box, arm)
                fine = box is not None and box.serves(self.mono) and chance.random() >= self.behaviour(box)
                if box is not None:
                    box.asked = self.mono
                self.watch.answered(route, arm, right)
                self._write(at, route, model, feature, segment, arm, 200 if fine else 503)

    def _targets(self, route: str, segment: str | None) -> list[tuple[float, str, list[Box | None]]]:
        shares, total, found = self.envoy.shares(route, segment), 0.0, []
        for cluster, share in shares.items():
            total += share
            ports = self.envoy.endpoints.get(self.envoy.arms[cluster].upstream, ())
            found.append((total, cluster, [self.at_port(port) for _, port in ports]))
        return found

    def _pick(
        self, targets: list[tuple[float, str, list[Box | None]]], chance: random.Random
    ) -> tuple[str, list[Box | None]]:
        at = chance.random()
        for edge, cluster, boxes in targets:
            if at < edge:
                return cluster, boxes
        return targets[-1][1], targets[-1][2]

    def _write(
        self, at: float, route: str, model: str, feature: str, segment: str | None, arm: Arm, status: int
    ) -> None:
        chance = self.chance["traffic"]
        line = {
            "time": datetime.fromtimestamp(T0 + at + self.offset, UTC).isoformat(),
            "route": route, "model": model, "feature": feature or None, "segment": segment, "role": arm.role,
            "release": arm.release, "status": status, "duration_ms": 5.0, "flags": None,
        }  # fmt: skip
        copies = 1
        late = FLUSH
        if self.bad("losses"):
            copies = 0 if chance.random() < 0.3 else 1
        if self.bad("doubles"):
            copies = 2 if chance.random() < 0.3 else copies
        if self.bad("lateness"):
            late = chance.uniform(0.1, 4.0)
        for _ in range(copies):
            self._seq += 1
            heapq.heappush(self._pending, (at + late, self._seq, line))

    def flush(self) -> None:
        """Lines whose time has come are in the record."""
        self.flow()
        while self._pending and self._pending[0][0] <= self.mono:
            self.log.append(heapq.heappop(self._pending)[2])

    def kill_gateway(self) -> None:
        """SIGKILL to Envoy: what it had not written is lost."""
        self.flush()
        self._pending.clear()
        if self.envoy.up:
            self.say("the gateway dies")
        self.envoy.up = False
        self.until["gateway_death"] = self.mono
        self.hint("runtime")

    def set_weights(self, routes: Iterable[Route]) -> None:
        """The fast path of the gateway."""
        self.disk()
        envoy = self.envoy
        if not envoy.up:
            raise RetryLater("Envoy does not run", where="gateway", delay=0.1)
        wanted = {route.name: entries_of(route) for route in routes}
        for name, entries in wanted.items():
            for segment, weights in entries.items():
                live = envoy.routes.get(name, {}).get(segment, {})
                if any(weight and cluster not in live for cluster, weight in weights.items()):
                    raise RetryLater(f"an arm is not live on route {name} yet", where="gateway", delay=0.05)
        self.flow()
        for name, entries in wanted.items():
            for segment, weights in entries.items():
                live = envoy.routes[name][segment]
                envoy.routes[name][segment] = {cluster: weights.get(cluster, 0) for cluster in live}
        self.watch.steered(self.current)

    def serves(self, route: Route) -> bool:
        """Whether a route's arms have the weights that they carry here."""
        live = self.envoy.routes.get(route.name, {})
        return all(_given(live.get(segment, {})) == _given(weights) for segment, weights in entries_of(route).items())

    def apply(self, table: Table) -> str:
        """The slow path, as far as it goes: '' when all of it is live, else what is waited for."""
        self.disk()
        envoy, chance = self.envoy, self.chance["gateway"]
        if not envoy.up:
            raise RetryLater("Envoy does not run", where="gateway", delay=0.1)
        self.flow()
        wanted = {route.name: entries_of(route) for route in table.routes}
        for name, entries in wanted.items():
            for segment, weights in entries.items():
                live = envoy.routes.get(name, {}).get(segment)
                if live and sum(weights.get(cluster, 0) for cluster in live) > 0:
                    envoy.routes[name][segment] = {cluster: weights.get(cluster, 0) for cluster in live}
        self.watch.steered(self.current)
        if chance.random() < 0.1:
            return "weights are loading"
        for route in table.routes:
            envoy.arms |= {cluster_name(arm): arm for arm in route.arms}
        for upstream in table.upstreams:
            envoy.endpoints[upstream.name] = upstream.endpoints
            envoy.gone.pop(upstream.name, None)
        if chance.random() < 0.1:
            self.watch.steered(self.current)
            return "clusters are loading"
        envoy.routes = wanted
        self.watch.given(table)
        self.watch.steered(self.current)
        named = {upstream.name for upstream in table.upstreams}
        for name in envoy.endpoints.keys() - named:
            envoy.gone.setdefault(name, self.mono + 5.0)
        if chance.random() < 0.1:
            return "routes are loading"
        for name in [name for name in envoy.endpoints if name not in named]:
            if self.mono >= envoy.gone[name]:
                del envoy.endpoints[name], envoy.gone[name]
        live = {cluster for entries in envoy.routes.values() for weights in entries.values() for cluster in weights}
        envoy.arms = {cluster: arm for cluster, arm in envoy.arms.items() if cluster in live}
        return ""

    # -- who acts ------------------------------------------------------------------------------------------------------

    @contextmanager
    def acting(self, pilot: Pilot) -> Iterator[None]:
        """What happens inside is done by this controller."""
        before, self.current = self.current, pilot
        try:
            yield
        finally:
            self.current = before


def _given(weights: Mapping[str, int]) -> dict[str, int]:
    """Those that get something."""
    return {cluster: weight for cluster, weight in weights.items() if weight}


def entries_of(route: Route) -> Entries:
    """The weights of a route, for each of its segments and the rest; entries that nobody serves are left out."""
    found: Entries = {}
    for segment in (None, *route.segments):
        weights = {
            cluster_name(arm): arm.weight if segment is None else arm.segment_weights.get(segment, arm.weight)
            for arm in route.arms
        }
        if sum(weights.values()) > 0:
            found[segment] = weights
    return found
