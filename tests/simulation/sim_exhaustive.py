"""Every order of events on the pure state machine, up to a depth: states that behave alike from here on are met once.

    python tests/simulation/sim_exhaustive.py --depth 8

Neighbours: rollout/machine.py is what is searched; test_exhaustive.py searches as far as CI has time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidegate.analysis.model import Arm, Batch
from tidegate.rollout.machine import advance, fulfilled
from tidegate.rollout.serial import from_doc, to_doc
from tidegate.rollout.state import Advance, Desired, EventKind, Phase, Readiness, RouteState, Seen
from tidegate.rollout.steps import path
from tidegate.rollout.traffic import WHOLE, traffic
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

T0 = 1_700_000_000.0
BATCH = 2.0
FAR = 64.0
"""Seconds after which how long ago something was makes no difference: longer than every duration in the policy."""
POLICY = PolicyFields.model_validate(
    {
        "steps": [
            {"name": "canary", "weight": "10%", "for": "4s"},
            {"name": "half", "weight": "50%", "for": "2s", "approve": "manual"},
            {"name": "full", "weight": "100%", "for": "2s"},
        ],
        "config_steps": [{"name": "taste", "weight": "50%", "for": "2s"}],
        "guardrails": [{"metric": "error_rate", "max": 0.5, "min_requests": 4, "immediate": True}],
        "batch": "2s", "standby": "20s", "startup_timeout": "10s", "confidence": 0.9,
        "no_data": {"action": "hold", "for": "10s", "then": "rollback"},
    },
    by_alias=True,
    by_name=False,
)  # fmt: skip


def release(name: str, weights: str | None = None) -> Release:
    """A release by its name; `weights` names the one whose workload it shares."""
    digest, workload = (
        hashlib.sha256(text.encode()).hexdigest() for text in (f"release {name}", f"work {weights or name}")
    )
    return Release("m", name, None, digest, workload, f"at-{name}")


RELEASES = {"1": release("1"), "2": release("2"), "3": release("3"), "1c": release("1c", "1")}
BY_DIGEST = {one.digest: name for name, one in RELEASES.items()}


@dataclass(frozen=True, slots=True)
class Node:
    """A moment of one route's life: its state, what git asks for, how its workloads are. `steps`: told of this trial."""

    state: RouteState
    now: float
    wish: str = "1"
    commit: int = 1
    hold: bool = False
    approved: bool = False
    down: frozenset[str] = frozenset()
    batch: int = 0
    refused: frozenset[tuple[str, int]] = frozenset()
    told: tuple[str | None, str | None] = (None, None)

    def key(self) -> bytes:
        """Equal for moments from which everything goes on alike."""
        doc = to_doc(self.state)
        text = json.dumps(_relative(doc, self.now, self.commit, ""), sort_keys=True)
        former = [one.version for one in self.state.promoted]
        rest = (
            former,
            self.wish,
            self.hold,
            self.approved,
            sorted(self.down),
            sorted((r, self.commit - c) for r, c in self.refused),
        )
        return hashlib.blake2b(f"{text}{rest}{self.told}".encode(), digest_size=12).digest()


_TIMES = frozenset({
    "started_at", "step_started_at", "hold_since", "no_data_since", "waiting_since", "traffic_since", "calm_since", "until",
    "at", "absent_since", "start", "end",
})  # fmt: skip


_NAMELESS = frozenset(
    {"id", "reason", "hold_reason", "commit", "last_batch", "skipped", "sentence", "policy", "promoted"}
)
"""What names a moment or tells it in words, and what is the same everywhere here. (A former release is one of four.)"""


def _relative(value: Any, now: float, commit: int, name: str) -> Any:
    """The same document with its times as whole seconds from now, and its commits as how many ago."""
    if isinstance(value, Mapping):
        return {key: _relative(part, now, commit, key) for key, part in value.items() if key not in _NAMELESS}
    if isinstance(value, list):
        return [_relative(part, now, commit, name) for part in value]
    if isinstance(value, str) and value.startswith("commit-"):
        return max(-3, int(value.removeprefix("commit-")) - commit)
    if isinstance(value, float | int) and not isinstance(value, bool) and (name in _TIMES or value > T0 / 2):
        return 0.0 if value == 0.0 else round(max(-FAR, min(FAR, value - now)))
    return value


EVENTS = (
    "good", "bad", "silence", "look", "ask 1", "ask 2", "ask 3", "ask 1c", "again", "hold", "approve", "down 1", "down 2",
    "told git", "unread",
)  # fmt: skip


def follow(node: Node, event: str) -> Node | None:
    """What the event makes of the moment, and one pass over it. None where it changes nothing that was not so already."""
    word, _, name = event.partition(" ")
    seconds, batches = 0.5, ()
    desired = True
    match word:
        case "good" | "bad":
            trial = node.state.candidate
            if trial is None or trial.step < 0:
                return None
            seconds = BATCH
            fails = 8 if word == "bad" else 0
            batch = Batch(
                node.batch + 1, node.now, node.now + BATCH, stable=Arm(20, 0, ()), candidate=Arm(10, fails, ())
            )
            batches = (batch,)
            node = replace(node, batch=node.batch + 1)
        case "silence":
            seconds = 11.0
        case "ask":
            if node.wish == name:
                return None
            node = replace(node, wish=name, commit=node.commit + 1, approved=False)
        case "again":
            node = replace(node, commit=node.commit + 1)
        case "hold":
            node = replace(node, hold=not node.hold)
        case "approve":
            if node.approved:
                return None
            node = replace(node, approved=True, commit=node.commit + 1)
        case "down":
            node = replace(node, down=node.down ^ {RELEASES[name].workload})
        case "told":
            if not node.state.duties:
                return None
            node = replace(node, state=fulfilled(node.state, node.state.duties[0].id))
        case "unread":
            desired = False
    return look(replace(node, now=node.now + seconds), batches, desired)


def seen_by(node: Node, batches: tuple[Batch, ...], desired: bool) -> Seen:
    """What the engine would see."""
    wish = Desired(
        RELEASES[node.wish],
        POLICY,
        f"commit-{node.commit}",
        hold=node.hold,
        approvals=("half",) if node.approved else (),
    )
    ready = {
        one.workload: Readiness.STARTING if one.workload in node.down else Readiness.READY for one in RELEASES.values()
    }
    return Seen(
        wish if desired else None,
        ready=ready,
        batches=batches,
        validation={one.digest: "" if name != "3" else "too bad" for name, one in RELEASES.items()},
        replicas={workload: int(how is Readiness.READY) for workload, how in ready.items()},
    )


class Wrong(AssertionError):  # noqa: N818 not an error of the program: it carries what does not hold
    """An invariant that does not hold."""


def look(node: Node, batches: tuple[Batch, ...], desired: bool) -> Node:
    """One pass, and all that must hold after it. Raises Wrong."""
    before = from_doc(json.loads(json.dumps(to_doc(node.state))))
    if before != node.state:
        raise Wrong("the state is another one after a restart")
    seen = seen_by(node, batches, desired)
    step = advance(before, seen, node.now)
    after = replace(node, state=step.state)
    after = replace(after, told=_events(node, step), refused=_refused(node, step))
    _traffic(after, seen)
    _steps(node, before, step)
    return after


def _events(node: Node, step: Advance) -> tuple[str | None, str | None]:
    """Events fold into the state: stable, candidate."""
    stable, trial = node.told
    for event in step.events:
        name = event.release
        match event.kind:
            case EventKind.STARTED:
                if trial is not None:
                    raise Wrong(f"{name} started while {trial} is on trial")
                trial = name
            case EventKind.PROMOTED | EventKind.FAST_ROLLBACK:
                stable, trial = name, None if trial == name else trial
            case EventKind.ROLLED_BACK | EventKind.SUPERSEDED:
                if trial != name:
                    raise Wrong(f"{event.kind} {name}, and {trial} was on trial")
                trial = None
        total = sum(event.weights.values())
        if event.weights and abs(total - 100) > 1e-9:
            raise Wrong(f"the weights of {event.kind} sum to {total}")
    state = step.state
    found = (state.stable and state.stable.id, state.candidate and state.candidate.release.id)
    if (stable, trial) != found:
        raise Wrong(f"the events tell {stable} and {trial}, the state {found}")
    return stable, trial


def _refused(node: Node, step: Advance) -> frozenset[tuple[str, int]]:
    """What was rejected is not tried by the same commit."""
    refused = set(node.refused)
    for event in step.events:
        pair = (event.release, node.commit)
        if event.kind is EventKind.STARTED and pair in refused:
            raise Wrong(f"{event.version} was rejected, and the same commit tries again")
        if event.kind is EventKind.ROLLED_BACK:
            refused.add(pair)
            owed = [d for d in step.state.duties if d.kind == "revert" and d.release.id == event.release]
            if not owed:
                raise Wrong(f"{event.version} was rolled back, and git is owed nothing")
        if event.kind in (EventKind.PROMOTED, EventKind.FAST_ROLLBACK):
            refused = {one for one in refused if one[0] != event.release}
    return frozenset(one for one in refused if node.commit - one[1] < 3)


def _traffic(node: Node, seen: Seen) -> None:
    """Weights sum to the whole, and go to who is proven and ready, as long as anybody is."""
    state, split = node.state, traffic(node.state, seen.ready)
    if state.stable is None:
        if split.arms:
            raise Wrong("somebody gets traffic before anything was promoted")
        return
    if sum(arm.weight for arm in split.arms) != WHOLE:
        raise Wrong(f"the weights sum to {sum(arm.weight for arm in split.arms)}")
    rejected = {one.digest for one in state.rejected}
    trial = state.candidate
    proven = [state.stable, *(s.release for s in state.standby)] + (
        [trial.release] if trial and trial.step >= 0 else []
    )
    anybody = any(seen.ready[one.workload] is Readiness.READY for one in proven)
    for arm in split.arms:
        if not arm.weight:
            continue
        if arm.release.digest in rejected and not (trial and trial.release.digest == arm.release.digest):
            raise Wrong(f"{arm.release.version} was rejected, and gets traffic")
        if anybody and seen.ready[arm.release.workload] is not Readiness.READY:
            raise Wrong(f"{arm.release.version} is not ready, and gets traffic")
        if trial is not None and arm.release.digest == trial.release.digest and (trial.step < 0 or not trial.validated):
            raise Wrong(f"{arm.release.version} gets traffic before its first step")


def _steps(node: Node, before: RouteState, step: Advance) -> None:
    """No step is repeated, skipped or shortened; nothing that was counted is lost; nobody is stable no more."""
    old, new = before.candidate, step.state.candidate
    kinds = [event.kind for event in step.events]
    if before.stable is not None and step.state.stable is None:
        raise Wrong("there is no stable release any more")
    if EventKind.PROMOTED in kinds and old is not None and before.stable is not None and not old.fast:
        if old.step != len(path(old.policy, old.config_only)) - 1:
            raise Wrong(f"promoted in step {old.step}")
        _lasted(node, before)
    if old is None or new is None or EventKind.STARTED in kinds:
        if new is not None and new.step > 0:
            raise Wrong(f"a trial begins at step {new.step}")
        return
    if new.step != old.step:
        if new.step != old.step + 1 or kinds.count(EventKind.STEP) != 1:
            raise Wrong(f"from step {old.step} to step {new.step}")
        _lasted(node, before)
    elif new.clock < old.clock or new.spent < old.spent:
        raise Wrong("a clock runs backwards")
    if node.hold and new.step > old.step:
        raise Wrong("a step began on hold")
    if new.phase is Phase.HOLDING and not new.hold_reason:
        raise Wrong("it holds, and nobody knows why")


def _lasted(node: Node, before: RouteState) -> None:
    old = before.candidate
    if old is None or old.step < 0:
        return
    wanted = path(old.policy, old.config_only)[old.step].duration
    if node.now - old.step_started_at < wanted:
        raise Wrong(f"step {old.step} lasted {node.now - old.step_started_at} s of {wanted} s")


@dataclass(slots=True)
class Found:
    """What a search met: distinct moments, passes made, and the depth up to which all of it was seen."""

    states: int = 0
    passes: int = 0
    depth: int = 0


def beginnings() -> tuple[Node, ...]:
    """An empty route, and one that serves."""
    empty = Node(RouteState("m"), T0)
    one = RELEASES["1"]
    serving = Node(RouteState("m", stable=one, promoted=(one,)), T0, told=(one.id, None))
    return empty, serving


def search(depth: int, seconds: float = float("inf")) -> Found:
    """Every order of events up to `depth`, level by level, as long as there is time. Raises Wrong with the way there."""
    found, until = Found(), time.monotonic() + seconds
    level: list[tuple[Node, tuple[str, ...]]] = [(node, ()) for node in beginnings()]
    met = {node.key() for node, _ in level}
    for reached in range(1, depth + 1):
        level = list(_next(level, met, found, until))
        if time.monotonic() >= until:
            return found
        found.depth, found.states = reached, len(met)
    return found


def _next(
    level: list[tuple[Node, tuple[str, ...]]], met: set[bytes], found: Found, until: float
) -> Iterator[tuple[Node, tuple[str, ...]]]:
    for node, way in level:
        if time.monotonic() >= until:
            return
        for event in EVENTS:
            try:
                after = follow(node, event)
            except Exception as wrong:
                raise Wrong(f"{wrong!r} after: {', '.join((*way, event))}") from wrong
            if after is None:
                continue
            found.passes += 1
            key = after.key()
            if key not in met:
                met.add(key)
                yield after, (*way, event)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    began = time.monotonic()
    try:
        found = search(given.depth, given.seconds)
    except Wrong as wrong:
        print(wrong)
        return 1
    spent = time.monotonic() - began
    print(
        f"depth {found.depth}: {found.states} distinct states, {found.passes} passes, {spent:.0f} s; every rule holds"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
