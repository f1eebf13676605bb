"""Two controllers on one journal: one acts, the other watches; the acting one ends or hangs, and nothing is done twice."""

from __future__ import annotations

import os
import signal

from support.world import Make, World
from tidegate.journal.lease import TTL


def relieved(world: World, before: str) -> str:
    """Who acts now, once it is somebody else."""
    found: list[str] = []

    def other() -> bool:
        acting = world.facts("status")["acting"]
        found[:] = [acting["owner"]] if acting else []
        return bool(found) and found[0] != before

    world.wait(other, "another controller to act", TTL + 100)
    return found[0]


def test_the_second_controller_watches_and_acts_when_the_first_is_killed(make_world: Make) -> None:
    world = make_world()
    world.begin()
    first = world.facts("status")["acting"]["owner"]
    world.spawn()
    world.wait(lambda: f"another controller acts ({first}); this one watches" in world.tail(400), "the second to watch")
    world.version("2.0.0")
    with world.traffic() as users:
        commit = world.deploy("2.0.0")
        world.until("step", commit=commit)
        os.kill(world.processes[0].pid, signal.SIGKILL)
        world.processes[0].wait()
        second = relieved(world, first)
        assert str(world.processes[1].pid) in second
        world.until("promoted", commit=commit)
    steps = [one["step"] for one in world.events() if one["kind"] == "step" and one["commit"] == commit]
    assert steps == ["canary", "half", "full"]
    assert not users.failed()


def test_a_controller_that_hangs_is_relieved_and_touches_nothing_when_it_wakes(make_world: Make) -> None:
    world = make_world()
    world.begin()
    first, hung = world.facts("status")["acting"]["owner"], world.processes[0]
    world.spawn()
    world.wait(lambda: "this one watches" in world.tail(400), "the second to watch")
    hung.send_signal(signal.SIGSTOP)
    try:
        second = relieved(world, first)
        world.version("2.0.0", env={"ERROR_RATE": "1"})
        with world.traffic():
            commit = world.deploy("2.0.0")
            world.until("rolled_back", commit=commit)
            hung.send_signal(signal.SIGCONT)
            world.wait(lambda: "another one acts since then" in world.tail(600), "the first to notice")
            world.wait(lambda: world.trailers().get("Tidegate-Rejects") == commit, "the revert commit")
    finally:
        hung.send_signal(signal.SIGCONT)
    assert world.facts("status")["acting"]["owner"] == second
    assert len([one for one in world.events() if one["kind"] == "rolled_back"]) == 1
    reverts = world.git("log", "--format=%H", f"--grep=Tidegate-Rejects: {commit}", "main", at=world.remote).split()
    assert len(reverts) == 1
