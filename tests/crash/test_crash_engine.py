"""The Docker engine killed and restarted in the middle of a step: containers that outlive it serve on, others come back."""

from __future__ import annotations

import signal
import time
from collections import Counter
from math import sqrt

import pytest

from support.own_engine import OwnEngine
from support.traffic import Traffic
from support.world import Make

pytestmark = pytest.mark.docker
SO_FAR = ["started", "promoted", "started", "step half"]


def test_an_engine_that_is_killed_is_not_missed_and_one_that_ends_its_containers_gets_them_back(
    own_engine: OwnEngine, make_world: Make
) -> None:
    world = make_world("docker", start=False)
    world.configure(runtime={"kind": "docker", "host": own_engine.host})
    # An engine ends one container after the other: a limit that acts at once could not tell that from a bad release.
    world.policy(
        steps=[{"name": "half", "weight": "50%", "for": "10m"}], guardrails=[{"metric": "error_rate", "max_ratio": 3.0}]
    )
    world.start()
    world.model()
    world.version("1.0.0")
    world.until("promoted", commit=world.deploy("1.0.0"))
    world.version("1.1.0")
    world.deploy("1.1.0")
    world.until("step", step="half")
    servers = world.running()
    with world.traffic() as users:
        users.more(50)
        own_engine.end(signal.SIGKILL)
        world.wait(lambda: "engine" in world.problems(), "the status to say that the engine is away")
        users.more(200)
        own_engine.start(keeps=True)
        world.wait(lambda: not world.problems(), "the engine to be seen again")
        users.more(100)
        assert not users.failed(), "containers outlive their engine"
        assert world.running() == servers
        assert world.kinds() == SO_FAR
        even(users, 0.0)

        own_engine.end(signal.SIGTERM)
        restarted = time.time()
        own_engine.start(keeps=False)  # and ends what it finds running
        world.wait(lambda: len(world.running()) == 2 and world.running() != servers, "new containers")
        world.wait(lambda: set(world.route()["ready"].values()) == {"ready"} and not world.route()["degraded"], "rest")
        back = time.time() + 0.5
        world.wait(lambda: time.time() > back, "the table to be live")
        users.more(400)
        assert not users.failed(back)
        even(users, back)
    away = [reply for reply in users.failed() if reply.sent >= restarted - 1]
    assert len(away) == len(users.failed())
    print(
        f"{len(away)} requests failed in {max(r.got for r in away) - min(r.sent for r in away):.1f} s"
        if away
        else "none"
    )
    told = [kind for kind in world.kinds() if kind not in ("held", "resumed", "degraded", "recovered")]
    assert told == SO_FAR, "an engine's restart is no fault of a release"
    assert world.route()["candidate"]["step"] == "half"
    assert "exit code None" not in world.log.read_text(), "a container that was only made has not ended"


def even(users: Traffic, since: float) -> None:
    """Both releases, half and half."""
    found = Counter(reply.version for reply in users.since(since))
    total = sum(found.values())
    assert set(found) == {"1.0.0", "1.1.0"}
    assert abs(found["1.1.0"] - total / 2) < 5 * sqrt(total / 4)
