"""What a pass costs follows what changed, and not how many routes there are: counted in calls of functions, not in seconds."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import pytest
import sim_watch
from sim_people import config, flow, model, version
from sim_story import Stage, Story

import fuzz
from tidegate.engine import deciding, sources, steering
from tidegate.engine.demand import Demand
from tidegate.rollout.state import Desired

FEW, MANY = 10, 300
QUICK: dict[str, Any] = {
    "name": "quick",
    "steps": [{"name": "full", "weight": "100%", "for": "1s"}],
    "no_data": {"action": "pass"},
    "standby": "2s",
}
SLACK = 60
"""Calls by which two passes over nothing may differ."""


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Without the rule that reckons everything anew after each pass: here it is counted what a pass does."""
    with fuzz.ready(), mock.patch.object(sim_watch, "AUDITED", sys.maxsize):
        yield


def asks(name: str, number: str) -> bytes:
    """A deployment."""
    return flow("Deployment", {"model": name, "version": number, "policy": "quick"})


def at_rest(folder: Path, models: int) -> Stage:
    """A controller that serves so many models, has nothing left to do, and sees no traffic."""
    folder.mkdir()
    names = tuple(f"m{number}" for number in range(models))
    stage = Stage(Story(1, names, (), (), 0.0), folder)
    files: dict[str, bytes | None] = {"policies/quick.yaml": flow("RolloutPolicy", QUICK)}
    for name in names:
        files[f"models/{name}/model.yaml"] = model(name)
        files[f"models/{name}/configs/default.yaml"] = config(name, "a")
        files |= {f"models/{name}/versions/{one}.yaml": version(name, one) for one in ("1.0.0", "2.0.0")}
        files[f"models/{name}/deployment.yaml"] = asks(name, "1.0.0")
    stage.people.commit_files("All of them", files)
    stage.world.until["silence"] = float("inf")
    [pilot] = stage.watch.pilots
    pilot.boot()
    until(stage, lambda: stage.watch.rests())
    stage.world.run(stage.world.mono + 40.0)  # what is calm is asked seldom
    assert len(pilot.controller.routes.states) == models  # type: ignore[union-attr]  # it was booted
    return stage


def until(stage: Stage, true: Any) -> None:
    """Let the story go on until it is so."""
    limit = stage.world.mono + 300.0
    while not true():
        assert stage.world.mono < limit, "it does not come to rest"
        stage.world.run(stage.world.mono + 1.0)


def calls_of_a_pass(stage: Stage) -> int:
    """How many Python functions a pass calls into which no news of servers or git came: the least of several.

    A look at the runtime compares all that runs with what ran: that is not counted, so it finds the very same objects.
    """
    controller: Any = stage.watch.pilots[0].controller
    runtime, there = controller.fleet._runtime, controller.fleet.servers.instances
    observe = runtime.observe
    counts: list[int] = []
    tick = controller.tick

    def counted(hints: Any) -> Any:
        calls = 0

        def count(_frame: FrameType, event: str, _what: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(count)
        try:
            return tick(hints)
        finally:
            sys.setprofile(None)
            counts.append(calls)

    def seen() -> list[Any]:
        return [there[one.name] if there.get(one.name) == one else one for one in observe()]

    with mock.patch.object(controller, "tick", counted), mock.patch.object(runtime, "observe", seen):
        stage.world.run(stage.world.mono + 30.0)
    assert len(counts) > 10
    return min(counts)


def test_a_pass_without_news_costs_the_same_however_many_routes_rest(tmp_path: Path) -> None:
    few, many = (calls_of_a_pass(at_rest(tmp_path / str(number), number)) for number in (FEW, MANY))
    assert many <= few + SLACK, f"{few} calls with {FEW} routes, {many} with {MANY}"


def test_one_changed_deployment_makes_work_for_its_own_route_alone(tmp_path: Path) -> None:
    stage = at_rest(tmp_path / "many", MANY)
    controller: Any = stage.watch.pilots[0].controller
    seen: Counter[tuple[str, str]] = Counter()
    told: list[frozenset[str] | None] = []
    before, table = controller.snapshot, controller.steering._tables.table()
    gateway = controller.steering._gateway

    def counting(what: str, right: Any, name: Any) -> Any:
        def counted(*args: Any, **more: Any) -> Any:
            seen[what, name(*args)] += 1
            return right(*args, **more)

        return counted

    def apply(given: Any, changed: frozenset[str] | None = None) -> Any:
        told.append(changed)
        return right_apply(given, changed)

    right_apply = gateway.apply
    with (
        mock.patch.object(deciding, "advance", counting("advance", deciding.advance, lambda state, *_: state.route)),
        mock.patch.object(steering, "build_route", counting("build", steering.build_route, lambda name, *_: name)),
        mock.patch.object(Demand, "look", counting("demand", Demand.look, lambda _, state, *__: state.route)),
        mock.patch.object(gateway, "apply", apply),
        mock.patch.object(sources, "_guardrails", wraps=sources._guardrails) as rails,
    ):
        stage.people.commit_files("One of them", {"models/m7/deployment.yaml": asks("m7", "2.0.0")})
        until(stage, lambda: controller.snapshot is not before and stage.watch.rests())
    assert controller.routes.states["m7"].stable.version == "2.0.0"
    assert {route for _, route in seen} == {"m7"}
    assert {what for what, _ in seen} == {"advance", "build", "demand"}
    assert set().union(*(changed or () for changed in told)) == {"m7"}
    assert None not in told
    assert rails.call_count == 1
    same = {route for route, wish in controller.snapshot.desired.items() if wish is before.desired[route]}
    assert same == set(before.desired) - {"m7"}
    assert all(isinstance(wish, Desired) for wish in controller.snapshot.desired.values())
    now = controller.steering._tables.table()
    kept = sum(old is new for old, new in zip(table.routes, now.routes, strict=True))
    assert kept == MANY - 1


def test_a_promotion_that_git_is_yet_to_be_told_of_keeps_no_route_awake(tmp_path: Path) -> None:
    stage = at_rest(tmp_path / "few", FEW)
    controller: Any = stage.watch.pilots[0].controller
    stage.world.until["noteless"] = float("inf")
    stage.people.commit_files("One of them", {"models/m7/deployment.yaml": asks("m7", "2.0.0")})
    until(stage, lambda: controller.routes.states["m7"].stable.version == "2.0.0")
    stage.world.run(stage.world.mono + 20.0)  # its step, and its standby's time
    assert list(controller.routes.owing) == ["m7"]
    with mock.patch.object(deciding, "advance", wraps=deciding.advance) as advance:
        stage.world.run(stage.world.mono + 20.0)
    assert advance.call_count == 0
    stage.world.until["noteless"] = 0.0
    stage.world.run(stage.world.mono + 120.0)  # a refusal is for a person: it is tried again once a minute
    assert not controller.routes.owing


def test_a_long_pass_is_no_absence_in_which_all_servers_have_to_be_asked_anew(tmp_path: Path) -> None:
    stage = at_rest(tmp_path / "few", FEW)
    controller: Any = stage.watch.pilots[0].controller
    right = controller.steering.table

    def slow(*given: Any) -> None:
        right(*given)
        stage.world.mono += 8.0

    with (
        mock.patch.object(controller.steering, "table", slow),
        mock.patch.object(controller.fleet, "doubt", wraps=controller.fleet.doubt) as doubt,
    ):
        stage.world.run(stage.world.mono + 30.0)
    assert doubt.call_count == 0
    stage.pause(0, 12.0)
    with mock.patch.object(controller.fleet, "doubt", wraps=controller.fleet.doubt) as doubt:
        stage.world.run(stage.world.mono + 30.0)
    assert doubt.call_count == 1
