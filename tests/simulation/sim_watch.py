"""What must hold whatever happens: looked at after each event of a story, against the world's own truth.

Every rule has a name, so that a failing story can be shortened without turning into another failure.
Neighbours: sim_world.py and sim_pilot.py report here; sim_end.py has the rules for the end; docs/design/simulation.md lists
them all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim_end import REACT, STALE, AtTheEnd
from sim_memo import stale
from sim_world import World

from tidegate.gateway.model import Arm, Table
from tidegate.gitrepo.mirror import NOTES_REF
from tidegate.rollout.traffic import WHOLE

if TYPE_CHECKING:
    from sim_pilot import Pilot

DRAIN = 1.5
"""Seconds without a request before a ready server ends: a little less than the shortest drain of the policies."""
HANG = 12.0
"""Seconds that a job takes at most that was begun while everything hung."""
LATE = 5.0
"""Seconds from one pass to the next on a busy host, and for the answers that it asked for."""
TOLD = 1.0
"""Seconds after a step in which a route may still have what the one before gave: the gateway is told of routes in turn."""
HEARD = 2.0
"""Seconds since its last answer in which a candidate is one that answers."""
AUDITED = 5
"""After every so many passes what is remembered is reckoned anew."""
ENDS = frozenset({"promoted", "rolled_back", "superseded"})
ACTS = frozenset({"gateway.weights", "gateway.apply", "runtime.start", "runtime.stop", "git.push"})
Doc = Mapping[str, Any]


class Broken(AssertionError):  # noqa: N818 not an error of the program: it carries a rule to its place
    """An invariant does not hold."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule
        self.text = text


@dataclass(slots=True)
class Walk:
    """One route as its events tell it, and the truth about its present step."""

    stable: str | None = None
    trial: str | None = None
    began: float = 0.0
    flowing: float = 0.0
    breaks: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    doubled: bool = False
    former: tuple[float, str | None, Doc] | None = None
    jumps: int = 0
    set: int = 0


@dataclass(frozen=True, slots=True)
class Turned:
    """One rejection. `pairs`: the commits that asked, by which it must not be tried again."""

    route: str
    release: str
    digest: str
    touched: str
    mode: str


class Watcher(AtTheEnd):
    """All rules over one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.watch = self
        self.pilots: list[Pilot] = []
        self.states: dict[str, Doc] = {}
        self.walks: dict[str, Walk] = {}
        self.turned: list[Turned] = []
        self.refused: dict[str, set[tuple[str, str]]] = {}
        self.out: dict[str, set[str]] = {}
        self.served: set[tuple[str, str | None]] = set()
        self.needed: dict[str, float] = {}
        self.dropped: dict[str, float] = {}
        self.jumps = 0
        self.flowing: dict[str, float] = {}
        self.breaks = 0
        self.answers: dict[tuple[str, str], int] = {}
        self.heard: dict[tuple[str, str], float] = {}
        self.actor: Pilot | None = None
        self.events: list[Doc] = []
        self.told_at = 0.0
        self._broken: Broken | None = None
        self._calm = 0.0
        self._answers_at = 0.0
        self._wrong: dict[tuple[str, str], float] = {}

    # -- telling -------------------------------------------------------------------------------------------------------

    def broken(self, rule: str, text: str, cause: BaseException | None = None) -> None:
        """Remember the first rule that was broken; the story ends at the next event."""
        if self._broken is None:
            self._broken = Broken(rule, text)
            self._broken.__cause__ = cause
            self.world.say(f"BROKEN {rule}: {text}")

    def raise_broken(self) -> None:
        """Raises Broken when a rule was broken."""
        if self._broken is not None:
            raise self._broken

    def stir(self) -> None:
        """Something is out of order just now: what takes time begins anew."""
        self._calm = self.world.mono

    def died(self, pilot: Pilot) -> None:
        """A controller is no more."""
        self.stir()
        if self.actor is pilot:
            self.actor = None

    # -- who acts ------------------------------------------------------------------------------------------------------

    def acts(self, pilot: Pilot, name: str) -> None:
        """A controller touches the world."""
        if name not in ACTS or self.actor is pilot:
            return
        other = self.actor
        if other is not None and not other.dead and other.journal is not None and other.journal.ours:
            self.broken("one-actor", f"{pilot.name} does {name} while {other.name} acts")
        self.actor = pilot

    # -- what is durable -----------------------------------------------------------------------------------------------

    def durable(self, pilot: Pilot, states: Mapping[str, Doc | None], events: list[Doc]) -> None:
        """One transaction of the journal."""
        told: dict[str, list[Doc]] = {}
        for event in events:
            told.setdefault(event["route"], []).append(event)
            self.world.say(
                f"    {event['route']}: {event['kind']} {event['version']} {event['step'] or ''} {event['reason']}"
            )
        self.events += events
        self.told_at = self.world.mono if events else self.told_at
        for route in told.keys() - states.keys():
            if told[route] and route in self.states:
                self.broken("events", f"{route}: events {[e['kind'] for e in told[route]]} without a state")
        for route, doc in states.items():
            self._state(route, self.states.get(route), doc, told.get(route, []))
            if doc is None:
                self.states.pop(route, None)
                self.walks.pop(route, None)
            else:
                self.states[route] = doc
        now = {digest for doc in self.states.values() for digest in _hot(doc)}
        self.dropped |= dict.fromkeys(self.needed.keys() - now, self.world.mono)
        self.needed = {digest: self.needed.get(digest, self.world.mono) for digest in now}

    def _models_own(self, route: str) -> str | None:
        """The release that the model of a feature serves."""
        model, slash, _ = route.partition("/")
        doc = self.states.get(model) if slash else None
        return doc["stable"] and doc["stable"]["digest"] if doc is not None else None

    def _state(self, route: str, before: Doc | None, doc: Doc | None, events: list[Doc]) -> None:
        walk = self.walks.get(route)
        if doc is None:
            return
        if walk is None:
            walk = self.walks[route] = Walk(stable=_id(doc["stable"]) if not events else _id((before or doc)["stable"]))
            if events:
                walk.stable = None
        for event in events:
            self._event(route, walk, before, doc, event)
        if events or before is None:
            stable, trial = _id(doc["stable"]), _id(doc["candidate"] and doc["candidate"]["release"])
            if walk.stable is None:
                walk.stable = stable
            if (stable, trial) != (walk.stable, walk.trial):
                self.broken(
                    "events", f"{route}: events tell {walk.stable} and {walk.trial}, the state {stable} and {trial}"
                )
        if before is not None:
            if not events and (_id(doc["stable"]), _trial(doc)) != (_id(before["stable"]), _trial(before)):
                self.broken("events", f"{route}: another stable release or candidate, and no event")
            self._steps(route, walk, before, doc, events)
            self._standbys(route, walk, before, doc, events)
        walk.set = self.jumps
        self.served.add((route, _id(doc["stable"])))
        # A feature begins with what its model serves, which it may have turned down for itself when it had a route before.
        served = _turned_down(before) if before is not None else self._models_own(route)
        if _turned_down(doc) not in (None, served):
            self.broken("rejected", f"{route}: its stable release is among the rejected")
        if before is not None and before["stable"] is not None and doc["stable"] is None:
            self.broken("stable", f"{route} has lost its stable release")

    def _event(self, route: str, walk: Walk, before: Doc | None, doc: Doc, event: Doc) -> None:
        kind, release = event["kind"], event["release"]
        total = sum(event["weights"].values())
        if event["weights"] and abs(total - 100.0) > 1e-6:
            self.broken("sum", f"{route}: the weights of an event sum to {total}")
        refused, out = self.refused.setdefault(route, set()), self.out.setdefault(route, set())
        if kind in ("step", "promoted", "fast_rollback"):
            self._was_ready(route, before, doc, event)
        match kind:
            case "started":
                if walk.trial is not None:
                    self.broken("events", f"{route}: {release} started while {walk.trial} is on trial")
                if (release, event["commit"]) in refused:
                    self.broken(
                        "retried",
                        f"{route}: {release} was rejected, and the same commit {event['commit'][:7]} tries again",
                    )
                walk.trial = release
                out.discard(release)
            case "promoted" | "fast_rollback":
                if kind == "promoted" and walk.trial != release:
                    self.broken("events", f"{route}: {release} promoted, and {walk.trial} was on trial")
                walk.stable = release
                walk.trial = None if walk.trial == release else walk.trial
                out.discard(release)
                self.refused[route] = {pair for pair in refused if pair[0] != release}
            case "rolled_back" | "superseded":
                if walk.trial != release:
                    self.broken("events", f"{route}: {kind} {release}, and {walk.trial} was on trial")
                walk.trial = None
                if kind == "rolled_back":
                    self._rejected(route, before, doc, release, event)
            case "step":
                if walk.trial != release:
                    self.broken("events", f"{route}: a step of {release}, and {walk.trial} is on trial")

    def _was_ready(self, route: str, before: Doc | None, doc: Doc, event: Doc) -> None:
        """Nobody moves on who has never been ready."""
        known = [doc["stable"], before and before["candidate"] and before["candidate"]["release"]]
        digests = {
            release["workload"] for release in known if release and release["digest"].startswith(event["release"])
        }
        boxes = [box for box in self.world.boxes.values() if box.digest in digests]
        gone = any(
            self.world.mono - at < REACT and any(d[:12] in name for d in digests)
            for lately in (self.world.went, self.world.relieved)
            for name, at in lately.items()
        )
        if digests and not gone and not any(box.ready_at <= self.world.mono for box in boxes):
            self.broken("unready", f"{route}: {event['kind']} {event['version']}, and no server of it was ever ready")

    def _rejected(self, route: str, before: Doc | None, doc: Doc, release: str, event: Doc) -> None:
        found = [one for one in doc["rejected"] if one["digest"].startswith(release)]
        duties = [
            one for one in doc["duties"] if one["kind"] == "revert" and one["release"]["digest"].startswith(release)
        ]
        if not found or not duties:
            self.broken("rejected", f"{route}: {release} was rolled back, and is not remembered or owed to git")
            return
        self.out[route].add(release)
        self.refused[route].add((release, found[-1]["touched"]))
        self.turned.append(Turned(route, release, found[-1]["digest"], duties[-1]["commit"], duties[-1]["mode"]))

    def _steps(self, route: str, walk: Walk, before: Doc, doc: Doc, events: list[Doc]) -> None:
        """No step repeated, skipped or shortened; within one trial nothing that was counted is lost."""
        old, new = before["candidate"], doc["candidate"]
        ended = next((e for e in events if e["kind"] == "promoted"), None)
        kinds = [e["kind"] for e in events]
        same = old is not None and new is not None and _trial(before) == _trial(doc) and "started" not in kinds
        over = ended is not None and old is not None and ended["release"] == _id(old["release"])
        if old is not None and old["step"] >= 0 and (over or (same and "step" in kinds)):
            self._whole(route, walk, old)
            walk.former = (self.world.mono, _id(old["release"]), _path(old)[old["step"]])
        if new is None:
            return
        if old is not None and same:
            if "step" not in kinds:
                for name in ("clock", "step_requests", "spent", "requests", "losses"):
                    if new[name] < old[name] - 1e-6:
                        self.broken(
                            "clock", f"{route}: {name} of step {new['step']} fell from {old[name]} to {new[name]}"
                        )
                if new["step"] != old["step"]:
                    self.broken("steps", f"{route}: step {old['step']} became step {new['step']}")
                return
            if _path(old) == _path(new) and new["step"] != old["step"] + 1:
                self.broken("steps", f"{route}: from step {old['step']} to step {new['step']}")
        elif new["step"] > 0:
            self.broken("steps", f"{route}: a trial begins at step {new['step']}")
        if new["step"] >= 0:
            told = [e["step"] for e in events if e["kind"] == "step"]
            if told != [_names(new)[new["step"]]]:
                self.broken("steps", f"{route}: step {new['step']} of {_names(new)} began, and events tell {told}")
            world = self.world
            walk.began, walk.jumps, walk.breaks = world.mono, self.jumps, self.breaks
            walk.flowing = self.flowing.get(route, 0.0)
            walk.answers = {r: n for (where, r), n in self.answers.items() if where == route}
            walk.doubled = False

    def _whole(self, route: str, walk: Walk, old: Doc) -> None:
        """A step that is over: it lasted as long as it had to, and saw what it had to."""
        policy = old["policy"]
        silent = policy.get("no_data", {})
        if walk.jumps != self.jumps or "pass" in (silent.get("action"), silent.get("then")):
            return
        steps = _path(old)
        step = steps[old["step"]]
        lasted = self.world.mono - walk.began
        name = f"{route}: step {step['name']}"
        wanted = step.get("duration", 0.0)
        if lasted < wanted - 0.01:
            self.broken("short", f"{name} lasted {lasted:.2f} s of {wanted} s")
        flowing = self.flowing.get(route, 0.0) - walk.flowing
        if flowing < wanted - 2.0 - 2.0 * (self.breaks - walk.breaks):
            self.broken("short", f"{name} had traffic for {flowing:.2f} s of {wanted} s")
        budget = policy.get("budget") or {}
        release = _id(old["release"]) or ""
        seen = self.answers.get((route, release), 0) - walk.answers.get(release, 0)
        if seen < step.get("min_requests", 0) and not walk.doubled and budget.get("then") != "promote":
            self.broken("short", f"{name} saw {seen} of {step['min_requests']} requests")

    def _standbys(self, route: str, walk: Walk, before: Doc, doc: Doc, events: list[Doc]) -> None:
        """Who stays hot stays so for its time, or until a newer one takes its place."""
        now = self.world.now()
        told = {e["release"]: e for e in events if e["kind"] == "standby_released"}
        kept = {one["release"]["digest"]: one["until"] for one in doc["standby"]}
        for one in before["standby"]:
            digest, until = one["release"]["digest"], one["until"]
            if digest in kept:
                again = any(e["kind"] in ("promoted", "fast_rollback") for e in events)
                if kept[digest] != until and not again and walk.set == self.jumps:
                    self.broken("standby", f"{route}: the time of standby {digest[:12]} changed")
                continue
            if doc["stable"] is not None and digest == doc["stable"]["digest"]:
                continue
            event = told.get(digest[:12])
            if event is None:
                self.broken("standby", f"{route}: standby {digest[:12]} is gone without a word")
            elif "time is over" in event["reason"] and now < until - 1e-6 and walk.set == self.jumps:
                self.broken("standby", f"{route}: standby {digest[:12]} went {until - now:.1f} s early")

    # -- traffic -------------------------------------------------------------------------------------------------------

    def flowed(self, route: str, seconds: float) -> None:
        """Requests of this route were answered for so long."""
        self.flowing[route] = self.flowing.get(route, 0.0) + seconds

    def answered(self, route: str, arm: Arm | None, right: bool) -> None:
        """One request."""
        if arm is not None:
            key = (route, arm.release)
            self.answers[key] = self.answers.get(key, 0) + 1
            self.heard[key] = self.world.mono

    def given(self, table: Table) -> None:
        """The whole table that the gateway was given."""
        for route in table.routes:
            for segment in (None, *route.segments):
                total = sum(
                    a.weight if segment is None else a.segment_weights.get(segment, a.weight) for a in route.arms
                )
                if route.arms and total != WHOLE:
                    self.broken("sum", f"{route.name}: the weights of segment {segment} sum to {total}")

    def steered(self, pilot: Pilot | None) -> None:
        """The gateway was told something: nobody has a share that the journal does not hold."""
        envoy = self.world.envoy
        for route, entries in envoy.routes.items():
            doc = self.states.get(route)
            if doc is None:
                continue
            places = {_id(doc["stable"]), *(_id(one["release"]) for one in doc["standby"])}
            trial = doc["candidate"]
            for segment, weights in entries.items():
                total = sum(weights.values())
                for cluster, weight in weights.items():
                    arm = envoy.arms[cluster]
                    if not weight or arm.release in places:
                        continue
                    if trial is None or arm.release != _id(trial["release"]) or trial["step"] < 0:
                        self._shares_without_place(route, arm)
                        continue
                    most = max(_share(step, segment) for step in self._steps_told(route, trial))
                    if weight / total > most + 1e-6 and self._stable_serves(doc, pilot):
                        self.broken(
                            "durable",
                            f"{route}: {arm.release} has {weight / total:.2%}, its journaled step gives {most:.2%}",
                        )

    def _steps_told(self, route: str, trial: Doc) -> list[Doc]:
        """The journaled step of a trial; and the one before it, where some may not have been told yet that it is over."""
        now, former = _path(trial)[trial["step"]], self.walks[route].former
        if former is None or self.world.mono - former[0] >= TOLD or former[1] != _id(trial["release"]):
            return [now]
        return [now, former[2]]

    def _shares_without_place(self, route: str, arm: Arm) -> None:
        """It lost its place a moment ago, while the file with the others is loading; or it never had one."""
        former = {event["release"] for event in self.events if event["route"] == route and event["kind"] in ENDS}
        if arm.release not in former and (route, arm.release) not in self.served:
            self.broken(
                "durable", f"{route}: {arm.release} gets traffic, and the journal knows no step or promotion of it"
            )

    def _stable_serves(self, doc: Doc, pilot: Pilot | None) -> bool:
        """Whether the stable release has served without a break for as long as it takes to know it.

        By a server that nobody is ending: one that is too many does not come back when the others die just then.
        """
        world, digest = self.world, doc["stable"]["workload"]
        fleet = pilot.controller.fleet if pilot is not None and pilot.controller is not None else None
        return (
            not self._hung()
            and any(
                box.digest == digest
                and box.answers(world.mono)
                and not (fleet is not None and fleet.servers.stopping(box.name))
                and world.mono - max(box.ready_at, box.deaf, box.ill, self._unseen(box)) > STALE
                for box in world.boxes.values()
            )
            and not self._lately(digest)
        )

    def _unseen(self, box: Any) -> float:
        """Until when a server that began to answer shortly before the runtime fell silent, or later, could not be seen."""
        world = self.world
        return world.unseen_until if box.ready_at + STALE > world.unseen_since else 0.0

    def _hung(self) -> bool:
        """Whether questions that were asked while everything hung, or are late on a busy host, may still be without answers."""
        world = self.world
        late = HANG if world.bad("hang") else LATE if world.bad("busy") else 0.0
        if late:
            self._answers_at = max(self._answers_at, world.mono + late)
        return self.world.mono < self._answers_at

    def _lately(self, digest: str) -> bool:
        return any(
            box.digest == digest and not box.running and self.world.mono - box.ended < STALE
            for box in self.world.boxes.values()
        )

    def stops(self, box: Any) -> None:
        """A controller ends a server."""
        world = self.world
        if not box.answers(world.mono) or world.mono - max(box.ready_at, box.deaf, box.ill) < STALE:
            return  # it was not ready when that was decided
        for route in world.envoy.routes if world.envoy.up else ():
            for segment in world.envoy.routes[route]:
                for cluster in world.envoy.shares(route, segment):
                    arm = world.envoy.arms[cluster]
                    ports = [port for _, port in world.envoy.endpoints.get(arm.upstream, ())]
                    if box.port in ports and world.mine(box, arm):
                        self.broken("drain", f"{box.name} was stopped while it gets traffic of {route}")
        if world.mono - box.asked < DRAIN:
            self.broken("drain", f"{box.name} was stopped {world.mono - box.asked:.2f} s after a request for it")
        since = self.needed.get(box.digest)
        if since is not None and world.mono - since > REACT and box.replica == 0:
            self.broken("needed", f"{box.name} was stopped, and is needed since {world.mono - since:.1f} s")

    # -- what takes time -----------------------------------------------------------------------------------------------

    def passed(self, pilot: Pilot) -> None:
        """After each pass: what is wrong must not stay so in a world that is well; nothing is remembered too long."""
        world = self.world
        if pilot.controller is not None and pilot.controller.ticks % AUDITED == 0:
            for text in stale(pilot.controller, world.now()):
                self.broken("memo", text)
        ill = any(world.bad(what) for what in ("runtime", "disk", "gateway", "hang", "busy", "store", "deaf"))
        if self._hung() or ill or not world.envoy.up or pilot.paused():
            self.stir()
        found: dict[tuple[str, str], str] = {}
        for route, doc in self.states.items():
            self._serving(route, doc, found)
            self._listening(route, doc, found)
        for key, text in found.items():
            since = max(self._wrong.setdefault(key, world.mono), self._calm, pilot.began)
            if world.mono - since > REACT:
                self.broken(key[0], f"{text}, for {world.mono - since:.1f} s in a world that is well")
        self._wrong = {key: since for key, since in self._wrong.items() if key in found}

    def _serving(self, route: str, doc: Doc, found: dict[tuple[str, str], str]) -> None:
        world, envoy = self.world, self.world.envoy
        if route not in envoy.routes:
            if doc["stable"] is not None:
                found["gateway", route] = f"{route} has a stable release, and the gateway does not know it"
            return
        for segment in envoy.routes[route]:
            for cluster, share in envoy.shares(route, segment).items():
                arm = envoy.arms[cluster]
                if arm.release in self.out.get(route, ()):
                    found["rejected", route] = f"{route}: {arm.release} was rejected and gets {share:.1%}"
                if not world.serving(cluster) and self._somebody(doc):
                    found["unready", route] = f"{route}: {share:.1%} go to {arm.release}, which does not serve"

    def _listening(self, route: str, doc: Doc, found: dict[tuple[str, str], str]) -> None:
        trial = doc["candidate"]
        if trial is None or trial["step"] < 0 or trial["hold"] != "no_data":
            return
        release = _id(trial["release"]) or ""
        if self.world.mono - self.heard.get((route, release), -HEARD) < HEARD:
            found["deaf", route] = f"{route}: {release} answers requests, and is held since there are none"

    def _somebody(self, doc: Doc) -> bool:
        """Whether a release that may take the traffic serves."""
        trial = doc["candidate"]
        releases = [doc["stable"], *(one["release"] for one in doc["standby"])]
        if trial is not None and trial["step"] >= 0:
            releases.append(trial["release"])
        hot_ones = {release["workload"] for release in releases if release is not None}
        return any(box.digest in hot_ones and box.answers(self.world.mono) for box in self.world.boxes.values())

    # -- the host ------------------------------------------------------------------------------------------------------

    def rebuilt(self) -> None:
        """A host was lost with its disk: what git does not know is forgotten."""
        store = self.world.store
        noted = set()
        if NOTES_REF in store.refs:
            for text in store.commits[store.refs[NOTES_REF]].files.values():
                for line in text.decode().splitlines():
                    note = json.loads(line)
                    if note["kind"] == "rejected":
                        noted.add((note["route"], note["release"][:12], note["touched"]))
        for route, pairs in self.refused.items():
            self.refused[route] = {pair for pair in pairs if (route, *pair) in noted}
        self.states.clear()
        self.walks.clear()
        self.out.clear()
        self.needed.clear()
        self._wrong.clear()
        self.stir()


def _id(release: Any) -> str | None:
    return release["digest"][:12] if release else None


def _trial(doc: Doc) -> str | None:
    found = doc["candidate"]
    return found["release"]["digest"] if found else None


def _path(trial: Doc) -> list[Doc]:
    policy = trial["policy"]
    own = policy.get("config_steps")
    return list(own if trial["config_only"] and own is not None else policy["steps"])


def _names(trial: Doc) -> list[str]:
    return [step["name"] for step in _path(trial)]


def _share(step: Doc, segment: str | None) -> float:
    """The most that a step gives the candidate of a segment (None: of the others)."""
    return max(step.get("weight") or 0.0, 1.0 if segment in step.get("segments", ()) else 0.0)


def _turned_down(doc: Doc) -> str | None:
    """The stable release, when it is among the rejected."""
    digest = doc["stable"] and doc["stable"]["digest"]
    return digest if digest in {one["digest"] for one in doc["rejected"]} else None


def _hot(doc: Doc) -> set[str]:
    """As `rollout.traffic.hot` says it of a state."""
    releases = [
        doc["stable"],
        doc["candidate"] and doc["candidate"]["release"],
        *(s["release"] for s in doc["standby"]),
    ]
    return {release["workload"] for release in releases if release}
