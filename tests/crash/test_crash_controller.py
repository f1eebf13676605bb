"""The controller ended by SIGKILL at each thing that it does, on real git, Envoy and servers, while users ask.

The points come from the code: one story is told under a tracer, which names each of them (tests/support/crash_child.py).
Each run of the suite takes a sample. TIDEGATE_CRASH=all takes all of them, TIDEGATE_CRASH=N so many; TIDEGATE_CRASH_SEED
chooses others, TIDEGATE_CRASH_SIDE how many stories are told at once.
"""

from __future__ import annotations

import ast
import inspect
import os
import random
import re
from pathlib import Path
from typing import get_type_hints

import pytest

import tidegate.engine
from support.crash_story import CrashWorld, Outcome, check, clean, points, sweep, tell
from tidegate.engine.build import Ends
from tidegate.rollout.state import Phase
from tidegate.rollout.table import TRANSITIONS
from tidegate.runtime.process import ProcessRuntime

SAMPLE = 17
KILLS = 6
"""So many deaths in one story, far apart: each is another point, and the story goes on after each."""

ALWAYS = re.compile(r"1[.]0[.]0 1[.]1[.]0 shifting 2 [|].*set_weights.* os[.]rename next current [|] before")
"""The journal has the next step and Envoy not yet its weights: what once ended a step without anybody in it."""

UNTOLD = {
    Phase.SHADOW: "no step of the story is a shadow",
    Phase.SUPERSEDED: "nobody asks for a newer release meanwhile",
    Phase.HOLDING: "nothing has to be waited for",
}
UNTOLD_MOVES = {
    (Phase.PREPARING, Phase.PROMOTED): "a way back, which needs no validation",
    (Phase.PREPARING, Phase.ROLLED_BACK): "a server that never starts",
    (Phase.VALIDATING, Phase.ROLLED_BACK): "a validation that fails",
}
UNUSED = {
    "gateway.supervisor.Gateway.rotate_record": "begins when the record is large or old",
    "gateway.supervisor.Gateway.rotate_answers": "of a route that mirrors",
    "gateway.supervisor.Gateway.told_to_end": "asked when an Envoy has ended",
    "gateway.supervisor.Gateway.stop": "with --ephemeral alone; another `stop` of the same name is called",
    "gateway.supervisor.Gateway.ready": "another `ready` of the same name is read",
    "artifacts.store.Store.mark": "retention, an hour after the start",
    "artifacts.store.Store.collect": "retention, an hour after the start",
    "artifacts.store.Store.unused": "what `tidegate gc` would remove; another `unused` of the same name is called",
    "sources.access.Access.prometheus": "asked where a guardrail has that source",
    "sources.access.Access.headers": "sent where a source is asked over HTTP; another `headers` is read",
    "runtime.process.ProcessRuntime.logs": "read when a server has ended by itself",
    "gitrepo.mirror.Mirror.touched": "read for a pinned config",
    "gitrepo.mirror.Mirror.changed": "read by other commands",
    "gitrepo.mirror.Mirror.contains": "read when a rejected release is asked for",
}
"""Of what the controller can do at its ends: what this story gives it no reason for."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The story without a crash, whose trace names the points, and whose end every other one must reach."""
    world = CrashWorld(tmp_path_factory.mktemp("told") / "world", "process", None)
    try:
        return tell(world)
    finally:
        clean(world)


def chosen(found: list[str]) -> list[str]:
    """All, or a sample, spread over the story."""
    asked = os.environ.get("TIDEGATE_CRASH", str(SAMPLE))
    if asked == "all":
        return found
    sample = random.Random(int(os.environ.get("TIDEGATE_CRASH_SEED", "1"))).sample(range(len(found)), int(asked))
    return [point for number, point in enumerate(found) if number in sample or ALWAYS.fullmatch(point)]


def test_wherever_the_controller_is_killed_no_request_fails_no_step_is_lost_and_git_is_told_once(
    told: Outcome, tmp_path: Path
) -> None:
    assert not told.wrong
    asked = chosen(points(told.trace))
    side = int(os.environ.get("TIDEGATE_CRASH_SIDE", "3"))
    outcomes = sweep(asked, tmp_path, lambda at, some: CrashWorld(at, "process", None, some), kills=KILLS, side=side)
    reached = sum(len(outcome.reached) for outcome in outcomes)
    print(
        f"{len(points(told.trace))} points, {len(asked)} asked, {reached} reached in {len(outcomes)} stories;", end=" "
    )
    print(f"{sum(outcome.requests for outcome in outcomes)} requests,", end=" ")
    print(
        f"{sum(outcome.failed for outcome in outcomes)} failed, {sum(outcome.misled for outcome in outcomes)} astray;"
    )
    assert not [wrong for outcome in outcomes for wrong in check(outcome, told)]
    assert reached >= 0.8 * len(asked), "of what a story is killed at, a crash before it may leave nothing to do"


@pytest.mark.docker
def test_a_controller_killed_at_what_it_does_to_containers_finds_them_again(tmp_path: Path, server_image: str) -> None:
    first = CrashWorld(tmp_path / "told", "docker", server_image)
    try:
        told = tell(first)
    finally:
        clean(first)
    assert not told.wrong
    asked = [point for point in points(told.trace) if "runtime/" in point and ("2.0.0" in point or "1.1.0" in point)]
    assert any("POST" in point for point in asked), "the engine is asked to create and to start"
    [outcome] = sweep(
        asked[:: max(1, len(asked) // KILLS)][:KILLS],
        tmp_path,
        lambda at, some: CrashWorld(at, "docker", server_image, some),
        kills=KILLS,
        side=1,
    )
    assert not check(outcome, told)
    assert len(outcome.reached) >= KILLS // 2


def test_the_points_are_all_moves_of_a_candidate_and_all_ends_of_the_controller(told: Outcome) -> None:
    moves = {
        (old, new)
        for old, following in TRANSITIONS.items()
        for new in following
        if old != new and not {old, new} & UNTOLD.keys() and (old, new) not in UNTOLD_MOVES
    }
    seen, before = set(), ""
    for one in told.trace:
        if one.name.startswith("phase "):
            _, old, new = one.name.split(" ")
            old, before = (before, old) if old == Phase.HOLDING else (old, old)
            if new not in (Phase.HOLDING, old):  # evidence comes late on a busy machine: what it waits for is left out
                seen.add((old, new))
    assert seen == {(old.value, new.value) for old, new in moves}
    saved = (one.name for one in told.trace if one.name.startswith("journal ") and one.side == "after")
    persisted = {name.replace(" holding ", " shifting ") for name in saved}
    for step in range(2):
        assert f"journal 1.0.0 1.1.0 shifting {step} -> 1.0.0 1.1.0 shifting {step + 1}" in persisted
    assert {"journal 1.1.0 2.0.0 shifting 0 -> 1.1.0 owes-revert", "journal 1.1.0 owes-revert -> 1.1.0"} <= persisted
    called = {one.name for one in told.trace if one.side == "call"}
    assert ends() - called == ends() & UNUSED.keys()
    done = {one.name.rpartition(" ")[2] for one in told.trace if "Popen git" in one.name and one.side == "done"}
    assert {"fetch", "push", "update-ref", "commit-tree", "notes-add"} <= done


def ends() -> set[str]:
    """Every method that the controller calls at one of its ends: by their types, and the names that its room uses."""
    named = set()
    for file in Path(tidegate.engine.__file__).parent.glob("*.py"):
        if file.name not in ("takeback.py", "cleaning.py", "lineage.py"):  # a person's commands
            named |= {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
    found = set()
    for kind in get_type_hints(Ends).values():
        if not inspect.isclass(kind) or not kind.__module__.startswith("tidegate."):
            continue
        end = ProcessRuntime if kind.__name__ == "Runtime" else kind
        own = f"{end.__module__.removeprefix('tidegate.')}.{end.__name__}"
        for name, function in vars(end).items():
            public = inspect.isfunction(function) and not name.startswith("_")
            if public and name in named and not inspect.isgeneratorfunction(inspect.unwrap(function)):
                found.add(f"{own}.{name}")
    return found
