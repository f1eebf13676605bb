"""Envoy ended by SIGKILL under load, in the middle of a step: what is lost is bounded; it comes back with the same weights."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from math import sqrt

from support.world import World
from tidegate.gateway import process
from tidegate.gateway.files import Folder

CLIENTS = 8
LATENCY = 0.05
"""Seconds a request is under way."""


def test_envoy_killed_under_load_loses_what_was_under_way_and_comes_back_with_the_same_weights(world: World) -> None:
    slow = {"LATENCY_MS": str(LATENCY * 1000)}
    world.policy(steps=[{"name": "half", "weight": "50%", "for": "10m"}])
    world.model()
    world.version("1.0.0", env=slow)
    world.until("promoted", commit=world.deploy("1.0.0"))
    world.version("1.1.0", env=slow)
    world.deploy("1.1.0")
    world.wait(lambda: world.ask().status == 200, "an answer")
    with world.traffic(clients=1):  # its evidence lets the step begin; it ends before anything is counted
        world.until("step", step="half")
    folder = Folder(world.state / "gateway")
    layer, weights = folder.generation(), folder.read_layer()
    world.wait(lambda: steady(world), "the record to be written")
    before = len(lines(world))
    with world.traffic(clients=CLIENTS, pause=0.005) as users:
        users.more(200)
        envoy = process.find(folder)
        assert envoy is not None
        os.kill(envoy.pid, signal.SIGKILL)
        killed = time.time()
        world.wait(lambda: any(reply.status == 200 for reply in users.since(killed)), "an answer again")
        back = min(reply.got for reply in users.since(killed) if reply.status == 200)
        users.more(400)
    replies = users.replies
    under_way = [reply for reply in users.failed() if reply.sent < killed]
    turned_away = [reply for reply in users.failed(killed) if reply.sent < back]
    assert len(under_way) <= CLIENTS, "a client has one request under way"
    assert len(users.failed(back)) <= CLIENTS, "a client's first request may meet the new gateway's first moment"
    assert not [reply for reply in replies[-300:] if reply.status != 200], "nothing fails once it is back"
    assert all(reply.status == 0 for reply in under_way), "a connection that breaks, never a wrong answer"
    answered = sum(reply.status == 200 for reply in replies)
    world.wait(lambda: steady(world), "the record to be written")
    cut = len(under_way)  # Envoy may have written the line of an answer that its own end kept from the client
    lost = answered + cut - (len(lines(world)) - before)
    flush = 0.02
    rate = answered / (replies[-1].got - replies[0].sent)
    print(
        f"away {back - killed:.3f} s; under way and lost {len(under_way)}; turned away meanwhile {len(turned_away)}; "
        f"{lost} of {answered + cut} lines of the record lost"
    )
    assert 0 <= lost <= 2 * CLIENTS + 10 * rate * flush, "the lines of the last flush interval, on a busy machine"
    assert process.find(folder) != envoy
    [told] = world.wait(lambda: world.live()["record"]["losses"], "the status to say what is lost")
    assert told["kind"] == "gateway"
    assert told["lines"] <= rate * (told["to"] - told["from"]) * 2, "no more than came in that time"
    assert lost <= told["lines"] + 2 * CLIENTS, "what is said to be lost at most is no less than what was lost"
    assert told["from"] <= killed + 1 and killed <= told["to"] <= time.time()
    assert "the record" in world.cli("status").stdout and world.facts("audit", "verify")["losses"] == [
        {"id": 1, **told}
    ]
    assert (folder.generation(), folder.read_layer()) == (layer, weights), "nobody had to write the weights again"
    shares = Counter(reply.version for reply in users.since(back) if reply.status == 200)
    total = sum(shares.values())
    assert set(shares) == {"1.0.0", "1.1.0"}
    assert abs(shares["1.1.0"] - total / 2) < 5 * sqrt(total / 4)
    kinds = [kind for kind in world.kinds() if kind not in ("held", "resumed")]
    assert kinds == ["started", "promoted", "started", "step half"]
    assert world.route()["candidate"]["step"] == "half"


def lines(world: World) -> list[dict[str, object]]:
    """The record's whole lines about answers of servers."""
    text = (world.state / "gateway" / "record" / "predictions.jsonl").read_text()
    found = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("}\n")]
    return [line for line in found if line["status"] == 200]


def steady(world: World) -> bool:
    """Whether the record has stopped to grow: over ten times the flush interval."""
    size = (world.state / "gateway" / "record" / "predictions.jsonl").stat().st_size
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        time.sleep(0.02)
    return size == (world.state / "gateway" / "record" / "predictions.jsonl").stat().st_size
