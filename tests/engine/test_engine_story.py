"""Whole controllers where one part of the world will not: the journal, the notes, a declaration, the record."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.engine import eventually
from support.world import Make, World
from tidegate.engine.build import Parts
from tidegate.engine.settings import load_settings
from tidegate.gateway.record import Cursor, RecordReader
from tidegate.rollout.state import Hold, Phase

HOOK = """#!/bin/sh
case "$1" in refs/notes/*|refs/tidegate/*) echo "branches only" >&2; exit 1;; esac
"""


@pytest.fixture
def parts(make_world: Make) -> Iterator[tuple[World, Parts]]:
    """A controller in this process whose passes the test makes by itself."""
    world = make_world(start=False)
    found = Parts(load_settings(world.settings))
    found.gateway.start()
    yield world, found
    found.close()


def passes(parts: Parts, seconds: float) -> None:
    """Pass after pass, for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        parts.hints.take(min(0.1, parts.controller.tick(set())))


def until(parts: Parts, holds: object) -> None:
    """Pass after pass, until it holds."""
    assert callable(holds)
    eventually(lambda: passes(parts, 0.05) or holds(), timeout=90.0)


@contextmanager
def read_only(parts: Parts) -> Iterator[None]:
    """The journal takes no writing, as when its disk was mounted anew after a fault."""
    for word in ("ON", "OFF"):
        with parts.journal._writing.connect() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.execute(f"PRAGMA query_only = {word}")
        if word == "ON":
            yield


def test_no_step_begins_that_the_journal_does_not_hold(parts: tuple[World, Parts]) -> None:
    world, own = parts
    states = own.controller.routes.states
    world.model()
    world.version("1.0.0")
    world.deploy("1.0.0")
    until(own, lambda: "digits" in states and states["digits"].stable is not None and own.controller.steering.settled)
    world.version("2.0.0", env={"NOT_READY": ""})
    with world.traffic() as users:
        world.deploy("2.0.0")
        until(own, lambda: states["digits"].candidate is not None)
        with read_only(own):
            until(own, lambda: "journal" in own.controller.problems)
            passes(own, 4.0)
            candidate = states["digits"].candidate
            assert candidate is not None
            assert candidate.phase in (Phase.PREPARING, Phase.VALIDATING)
            assert set(users.versions()) == {"1.0.0"}
        until(own, lambda: states["digits"].stable.version == "2.0.0")
    steps = [one["step"] for one in world.events() if one["kind"] == "step"]
    assert steps == ["canary", "half", "full"]
    assert not users.failed()


def test_a_shadow_step_that_ends_while_the_journal_takes_nothing_loses_no_pair(parts: tuple[World, Parts]) -> None:
    world, own = parts
    states = own.controller.routes.states
    world.policy(
        steps=[
            {"name": "echo", "shadow": "100%", "for": "1s", "min_requests": 30},
            {"name": "full", "weight": "100%", "for": "1s"},
        ]
    )
    world.model(comparison={"by": "label", "paths": ["parity"]})
    world.version("1.0.0")
    world.deploy("1.0.0")
    until(own, lambda: "digits" in states and states["digits"].stable is not None and own.controller.steering.settled)
    world.version("1.1.0")

    def step() -> int:
        candidate = states["digits"].candidate
        return candidate.step if candidate is not None else -1

    with world.traffic(body={"n": 7}) as users:
        world.deploy("1.1.0")
        until(own, lambda: step() == 0)
        with read_only(own):
            passes(own, 4.0)
            users.stop()
            passes(own, 3.0)  # no pair comes any more
            assert step() == 0
            assert "journal" in own.controller.problems
        until(own, lambda: step() == 1)
    report = world.facts("shadow", "digits")
    lines, _ = RecordReader(world.state / "gateway" / "record" / "predictions.jsonl").read(Cursor(), limit=1_000_000)
    copies = sum(line["role"] == "shadow" for line in lines)
    assert report["pairs"] == copies
    assert report["missing"] == 0
    assert copies > 30


def test_a_release_whose_promotion_waits_for_the_disk_is_judged_on(parts: tuple[World, Parts]) -> None:
    world, own = parts
    states = own.controller.routes.states
    world.policy(steps=[{"name": "half", "weight": "50%", "for": "1s"}])
    world.model()
    world.version("1.0.0")
    world.deploy("1.0.0")
    until(own, lambda: "digits" in states and states["digits"].stable is not None and own.controller.steering.settled)
    world.version("2.0.0", env={"FAIL_ABOVE": "1"})
    with world.traffic() as users:
        commit = world.deploy("2.0.0")
        until(own, lambda: (found := states["digits"].candidate) is not None and found.step == 0)
        with read_only(own):
            passes(own, 8.0)  # its step is over, and its promotion cannot be written; nobody who looked on saw silence
            assert states["digits"].stable.version == "1.0.0"
            assert not users.failed()
            with world.traffic(body={"inputs": [1], "parameters": {"temperature": 2}}):
                until(own, lambda: states["digits"].candidate is None)
            assert states["digits"].stable.version == "1.0.0"
            passes(own, 1.0)
            back = time.time()
            passes(own, 1.0)
            assert set(users.versions(back)) == {"1.0.0"}
        until(own, lambda: world.trailers().get("Tidegate-Rejects") == commit)
    kinds = [one["kind"] for one in world.events() if one["version"] == "2.0.0"]
    assert "rolled_back" in kinds
    assert not {"promoted", "held"} & set(kinds)


def test_a_restart_does_not_forget_that_a_source_is_down(parts: tuple[World, Parts]) -> None:
    world, own = parts
    states = own.controller.routes.states
    source = {"prometheus": {"query": "up", "interval": "1s", "address": "http://127.0.0.1:9"}}
    world.policy(
        steps=[{"name": "half", "weight": "50%", "for": "1s"}, {"name": "full", "weight": "100%", "for": "1s"}],
        guardrails=[{"metric": "revenue", "max_ratio": 2.0, "bounds": [0, 100], "source": source}],
    )
    world.model()
    world.version("1.0.0")
    world.deploy("1.0.0")
    until(own, lambda: "digits" in states and states["digits"].stable is not None and own.controller.steering.settled)
    world.version("2.0.0")
    with world.traffic() as users:
        world.deploy("2.0.0")
        until(own, lambda: (found := states["digits"].candidate) is not None and found.hold is Hold.SOURCE_DOWN)
        own.close()
        users.more(100)
        again = Parts(load_settings(world.settings))
        try:
            again.gateway.start()
            until(again, lambda: again.controller.snapshot.commit is not None)
            passes(again, 3.0)
            candidate = again.controller.routes.states["digits"].candidate
            assert candidate is not None
            assert (candidate.step, candidate.hold) == (0, Hold.SOURCE_DOWN)
        finally:
            again.close()


def test_a_release_that_cannot_run_here_is_rejected_and_stable_stays(world: World) -> None:
    world.begin()
    before = world.running()
    world.version("2.0.0", runtime={"command": ["no-such-program"]})
    with world.traffic() as users:
        back = world.until("rolled_back", commit=world.deploy("2.0.0"))
        time.sleep(2.5)
        users.more(20)
    assert "no-such-program" in back["reason"]
    assert world.running() == before
    assert not users.failed()


def test_a_remote_that_takes_no_notes_gets_its_revert_all_the_same(world: World) -> None:
    hook = world.remote / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK)
    hook.chmod(0o755)
    world.begin()
    with world.traffic():
        world.version("2.0.0", env={"ERROR_RATE": "1"})
        commit = world.deploy("2.0.0")
        world.until("rolled_back", commit=commit)
        world.wait(lambda: world.trailers().get("Tidegate-Rejects") == commit, "the revert commit")
    world.wait(lambda: "without a note" in world.tail(200), "the log to say so")
