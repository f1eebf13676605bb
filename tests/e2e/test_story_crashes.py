"""What dies and comes back: a controller between verdict and revert, or at any moment, a server, the gateway, the journal."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from support.world import World

BAD = {"ERROR_RATE": "0.7"}


def test_killed_between_the_verdict_and_the_revert_git_is_told_once(world: World) -> None:
    world.begin()
    held = world.folder / "held"  # a push waits while it is there, so that the verdict is seen before git is told
    hook(world, "pre-receive", f"for i in $(seq 2400); do test -e {held} || exit 0; sleep 0.05; done; exit 1")
    with world.traffic() as users:
        world.version("1.1.0", env=BAD)
        commit = world.deploy("1.1.0")
        held.touch()
        world.until("rolled_back", commit=commit)
        world.wait(lambda: all(reply.version == "1.0.0" for reply in users.replies[-40:]), "its traffic to move")
        world.kill()
        assert world.head() == commit
        users.more(60)
        killed = time.time()
        users.more(60)
        assert users.versions(killed).keys() == {"1.0.0"}, "traffic is safe all the while"
        unhook(world)
        held.unlink()
        world.start()
        world.wait(lambda: world.head() != commit, "the revert commit")
        world.noted(commit, "rejected")
        world.wait(lambda: not world.route()["git_pending"], "nothing to be owed")
    assert world.commits()[1:] == ["digits 1.1.0", "digits 1.0.0", "Policies"]
    assert world.trailers()["Tidegate-Rejects"] == commit
    kinds = [kind for kind in world.kinds() if kind not in ("held", "resumed")]
    assert kinds == ["started", "promoted", "started", "step canary", "rolled_back"]
    assert len([note for note in world.notes(commit) if note["kind"] == "rejected"]) == 1


def test_killed_again_and_again_a_rollout_still_ends(world: World) -> None:
    world.begin()
    with world.traffic() as users:
        world.version("1.1.0")
        commit = world.deploy("1.1.0")
        for number in range(4):
            world.wait(lambda: world.kinds().count("started") == 2, "the rollout to start")
            users.more(20 * number)  # any moment will do
            world.kill()
            world.start()
        promoted = world.until("promoted", commit=commit)
        users.wait_for("1.1.0", promoted["at"])
    assert not users.failed()
    wanted = ["started", "promoted", "started", "step canary", "step half", "step full", "promoted"]
    assert [kind for kind in world.kinds() if kind not in ("held", "resumed")] == wanted


def test_without_a_standby_the_server_comes_back_all_the_same(world: World) -> None:
    world.begin()
    [(name, ref)] = world.running().items()
    os.kill(int(ref), signal.SIGKILL)
    degraded = world.until("degraded")
    assert "exit code 137" in degraded["reason"]
    world.until("recovered")
    world.wait(lambda: world.ask().status == 200, "an answer")
    assert world.running()[name] != ref
    world.wait(lambda: world.route()["degraded"] is None, "the status to say so")


def test_a_gateway_that_is_killed_comes_back(world: World) -> None:
    world.begin()
    with world.traffic() as users:
        users.more(20)
        os.kill(gateway_pid(world), signal.SIGKILL)
        killed = time.time()
        users.wait_for("1.0.0", killed + 0.5)
        back = min(reply.got for reply in users.since(killed) if reply.status == 200)
        users.more(60)
        assert len(users.failed(back)) <= 3, "one request of each client may have met the new gateway's first moment"
        world.version("1.1.0")
        world.until("promoted", commit=world.deploy("1.1.0"))


def test_a_stopped_controller_leaves_everything_serving(world: World) -> None:
    world.begin()
    with world.traffic() as users:
        users.more(20)
        assert world.stop() == 0
        users.more(100)
        world.start()
        users.more(50)
    assert not users.failed()
    assert world.kinds() == ["started", "promoted"]


def test_a_rebuilt_host_does_not_try_what_was_rejected(world: World) -> None:
    world.begin()
    world.policy(rollback={"git": "none", "window": 5})
    with world.traffic() as users:
        world.version("1.1.0", env=BAD)
        commit = world.deploy("1.1.0")
        world.until("rolled_back", commit=commit)
        world.noted(commit, "rejected")
        world.wait(lambda: not world.route()["git_pending"], "git to be told")
        assert world.head() == commit, "the policy leaves git alone"
        world.kill()
        world.end_servers()
        for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
            (world.state / name).unlink(missing_ok=True)
        world.start()
        world.until("skipped_rejected")
        begun = time.time()
        users.wait_for("1.0.0", begun)
        users.more(40)
        assert "1.1.0" not in users.versions(begun)
    assert not {"started", "step canary"} & set(world.kinds())


def hook(world: World, name: str, script: str) -> None:
    """A hook on the remote. `sh`."""
    path = world.remote / "hooks" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def unhook(world: World) -> None:
    """Take all hooks of the remote away."""
    for path in (world.remote / "hooks").iterdir():
        path.unlink()


def gateway_pid(world: World) -> int:
    """The process that listens for this world's users."""
    marker = str(world.state / "gateway" / "bootstrap.json").encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if marker in words and words[0].endswith(b"envoy"):
            return int(path.parent.name)
    raise AssertionError("no gateway runs")
