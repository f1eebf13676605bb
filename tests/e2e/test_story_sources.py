"""Releases judged by what the gateway cannot see: labels that come later, and a Prometheus that goes away and comes back."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.engine import free_port
from support.prometheus import Scraped
from support.traffic import Traffic
from support.world import Make, World

TOKEN = "feedback-token"
STEPS = [
    {"name": "half", "weight": "50%", "for": "4s", "min_requests": 100},
    {"name": "full", "weight": "100%", "for": "1s"},
]
LONG = [{"name": "half", "weight": "50%", "for": "10m"}]
"""However slowly labels come, they come in time."""


@pytest.fixture
def world(make_world: Make, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose controller takes feedback in."""
    monkeypatch.setenv("FEEDBACK_TOKEN", TOKEN)
    world = make_world(start=False)
    world.configure(server={"address": f"127.0.0.1:{free_port()}", "tokens": [{"env": "FEEDBACK_TOKEN"}]})
    return world


@contextmanager
def judge(world: World, users: Traffic, bad: dict[str, float], later: float = 1.0) -> Iterator[None]:
    """Somebody who reads every answer and says `later` seconds after it whether it was made up, by the command line."""
    ended, dice, seen = threading.Event(), random.Random(7), 0

    def read() -> None:
        nonlocal seen
        file = world.folder / "labels.jsonl"
        while not ended.wait(0.3):
            ready = [one for one in list(users.replies)[seen:] if one.got < time.time() - later]
            seen += len(ready)
            labels = [
                {"request_id": one.request_id, "metric": "made_up", "value": float(dice.random() < bad[one.version])}
                for one in ready
                if one.version is not None
            ]
            file.write_text("".join(json.dumps(label) + "\n" for label in labels))
            # While the controller is away nobody takes them: they are sent again, and count once.
            while labels and world.cli("feedback", "--file", str(file)).returncode and not ended.is_set():
                pass

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


def test_a_release_that_is_wrong_only_by_its_labels_is_taken_back(world: World) -> None:
    world.start()
    world.begin()
    rail = {"metric": "made_up", "max": 0.1, "source": "feedback"}
    world.policy(steps=LONG, guardrails=[{"metric": "error_rate", "max_ratio": 2.0}, rail])
    world.version("2.0.0")
    commit = world.deploy("2.0.0")
    world.until("step", commit=commit)
    with world.traffic(pause=0.02) as users, judge(world, users, {"1.0.0": 0.02, "2.0.0": 0.4}):
        users.more(60)
        world.kill()  # what was accepted is on disk: nothing is lost, and nothing counts twice
        world.start()
        event = world.until("rolled_back", commit=commit)
    assert event["reason"].startswith("made_up 0."), event["reason"]
    assert "candidate requests, odds of this by chance below 1 in" in event["reason"]
    assert "; limit 0.1" in event["reason"]
    world.wait(lambda: '"1.0.0"' in world.at_remote("models/digits/deployment.yaml"), "the revert")
    world.wait(lambda: world.live()["feedback"]["waiting"] == 0, "every label to find its request")
    counts = world.live()["feedback"]
    assert counts["accepted"] > 100
    assert counts.get("unknown", 0) == 0
    [source] = [one for one in world.route()["sources"] if one["source"] == "feedback"]
    assert source["metric"] == "made_up"
    assert f"feedback made_up: {counts['accepted']:,} accepted" in world.cli("status").stdout
    first = users.replies[0].request_id
    again = world.cli("feedback", str(first), "made_up", "0")
    assert (again.returncode, again.stdout) == (0, "0 accepted\n1 reported before: the first value stands\n")
    unknown = world.cli("feedback", "11111111-2222-3333-4444-555555555555", "made_up", "0")
    assert unknown.returncode == 1 and "1 unknown: not in the record yet" in unknown.stdout
    unasked = world.cli("feedback", str(first), "helpful", "1")
    assert unasked.returncode == 1 and "metrics asked for: made_up" in unasked.stdout


def test_a_prometheus_that_goes_away_holds_its_route_alone_and_goes_on_when_it_is_back(
    world: World, own_prometheus: Scraped
) -> None:
    server, shop = own_prometheus
    for version in ("1.0.0", "2.0.0"):
        shop.set(f'orders_total{{version="{version}"}}', 0)
        shop.set(f'failed_total{{version="{version}"}}', 0)
    world.start()
    world.begin()
    world.begin("other")
    source = {
        "events": 'failed_total{version="{{version}}"}',
        "total": 'orders_total{version="{{version}}"}',
        "address": server.address,
        "interval": "500ms",
        "timeout": "1s",
    }
    errors = {"metric": "error_rate", "max_ratio": 2.0}
    rail = {"metric": "failed_orders", "max_ratio": 3.0, "source": {"prometheus": source}}
    world.policy(steps=STEPS, guardrails=[errors, rail])
    world.policy("plain", steps=STEPS, guardrails=[errors])
    server.wait_for("sum(orders_total)")
    sold = threading.Event()

    def sell() -> None:
        orders = 0
        while not sold.wait(0.1):
            orders += 40
            for version in ("1.0.0", "2.0.0"):
                shop.set(f'orders_total{{version="{version}"}}', orders)
                shop.set(f'failed_total{{version="{version}"}}', orders // 40)

    selling = threading.Thread(target=sell)
    selling.start()
    try:
        for model in ("digits", "other"):
            world.version("2.0.0", model)
        with world.traffic() as users, world.traffic("other"):
            commit = world.deploy("2.0.0")
            world.until("step", commit=commit)
            server.stop()
            held = world.until("held", commit=commit, saying="prometheus (failed_orders) is down: ")
            assert "the step's clock stands still" in held["reason"]
            clock = world.route()["candidate"]["clock"]
            world.until("promoted", "other", commit=world.deploy("2.0.0", "other", policy="plain"))
            users.more(50)
            assert world.route()["candidate"]["hold"] == "source_down"
            assert world.route()["candidate"]["clock"] == clock
            [shown] = world.route()["sources"]
            assert (shown["state"], shown["metric"]) == ("source_down", "failed_orders")
            assert "is down" in world.problems()
            assert "prometheus failed_orders is down for " in world.cli("status").stdout
            server.start()
            world.until("resumed", commit=commit, since=held["at"])
            world.until("promoted", commit=commit)
            kinds = world.kinds()
        assert "rolled_back" not in kinds
    finally:
        sold.set()
        selling.join(10)
