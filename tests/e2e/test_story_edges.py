"""Less common days: dying candidates, slow ones, replicas, silence, sticky users, rewritten history, a webhook."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import signal
import time
from collections import defaultdict

from support.engine import free_port
from support.world import Make, World

LONG = [{"name": "canary", "weight": "30%", "for": "60s"}]


def test_a_slow_release_is_taken_back_by_its_latency(world: World) -> None:
    world.policy(
        guardrails=[{"metric": "latency_p95_ms", "max": 150}, {"metric": "error_rate", "max_ratio": 2.0}], steps=LONG
    )
    world.begin()
    with world.traffic(clients=4) as users:
        world.version("1.1.0", env={"LATENCY_MS": "300"})
        commit = world.deploy("1.1.0")
        back = world.until("rolled_back", commit=commit)
        world.wait(lambda: world.head() != commit, "the revert commit")
        settled = time.time()
        users.more(60)
    assert "latency" in back["reason"] and "150 ms" in back["reason"]
    assert not users.failed()
    assert users.versions(settled).keys() == {"1.0.0"}
    taken = sorted(reply.got - reply.sent for reply in users.since(settled))
    assert taken[len(taken) // 2] < 0.3, "the slow release answers nobody any more"


def test_a_candidate_that_keeps_dying_in_its_canary_is_rejected_and_users_see_little(world: World) -> None:
    world.policy(steps=LONG, guardrails=[{"metric": "latency_p95_ms", "max": 5000}])
    world.begin()
    with world.traffic() as users:
        world.version("1.1.0", env={"EXIT_AFTER": "1.2"})
        commit = world.deploy("1.1.0")
        back = world.until("rolled_back", commit=commit)
        world.wait(lambda: world.head() != commit, "the revert commit")
        settled = time.time()
        users.more(60)
    assert "exit code 7" in back["reason"]
    assert not users.failed(settled)
    assert len(users.failed()) < 0.02 * len(users.replies)


def test_the_stable_server_dies_in_mid_canary_and_the_candidate_answers_meanwhile(world: World) -> None:
    world.policy(steps=LONG, standby="0s")
    world.begin()
    with world.traffic() as users:
        world.version("1.1.0")
        commit = world.deploy("1.1.0")
        world.until("step", commit=commit)
        users.wait_for("1.1.0", 0)
        [ref] = [ref for name, ref in world.running().items() if "-1.0.0-" in name]
        begun = time.time()
        os.kill(int(ref), signal.SIGKILL)
        degraded = world.until("degraded", since=begun)
        world.wait(lambda: world.live()["at"] > degraded["at"], "the status to follow, after the traffic")
        noticed = time.time()
        recovered = world.until("recovered", since=begun)
        users.wait_for("1.0.0", recovered["at"])
        users.more(30)
    assert not users.failed(noticed), "the candidate answers everybody"
    assert "rolled_back" not in world.kinds()


def test_replicas_come_and_go_and_one_that_dies_is_not_missed(world: World) -> None:
    world.begin()
    with world.traffic() as users:
        world.deploy("1.0.0", replicas=3)
        world.wait(lambda: len(world.running()) == 3, "three replicas")
        begun = time.time()
        users.wait(lambda _: len({reply.json.get("pid") for reply in users.since(begun)}) == 3)
        killed = time.time()
        os.kill(int(next(iter(world.running().values()))), signal.SIGKILL)
        world.wait(lambda: len(world.running()) == 3, "the third to be back")
        users.more(50)
        assert len(users.failed(killed)) <= 3
        assert "degraded" not in world.kinds()
        fewer = time.time()
        world.deploy("1.0.0", replicas=1)
        world.wait(lambda: len(world.running()) == 1, "one replica")
        users.more(50)
        assert not users.failed(fewer)
    assert world.kinds() == ["started", "promoted"], "the number of replicas is no release"


def test_without_users_a_rollout_holds_and_goes_on_when_they_come(world: World) -> None:
    world.begin()
    world.version("1.1.0")
    commit = world.deploy("1.1.0")
    world.until("held", commit=commit, saying="no requests")
    world.wait(lambda: world.route()["candidate"]["step"] == "canary", "the status to say so")
    with world.traffic() as users:
        world.until("promoted", commit=commit)
    assert not users.failed()
    world.wait(lambda: world.route()["stable"]["version"] == "1.1.0", "the status to say so")


def test_a_sticky_user_never_goes_back_and_forth(world: World) -> None:
    world.begin(sticky={"header": "x-user-id"})
    seen: dict[str, list[str | None]] = defaultdict(list)
    names = [f"user-{number}" for number in range(40)]
    with world.traffic():
        world.version("1.1.0")
        commit = world.deploy("1.1.0")
        world.until("step", commit=commit)
        while "promoted" not in world.kinds()[2:]:
            for name in names:
                seen[name].append(world.ask(headers={"x-user-id": name}).version)
    for name, versions in seen.items():
        first = versions.index("1.1.0") if "1.1.0" in versions else len(versions)
        assert set(versions[first:]) <= {"1.1.0"}, f"{name} went back: {versions}"
    assert {"1.0.0", "1.1.0"} == {version for versions in seen.values() for version in versions}


def test_rewritten_history_is_followed(world: World) -> None:
    world.begin()
    with world.traffic() as users:
        world.version("1.1.0")
        commit = world.deploy("1.1.0")
        world.until("promoted", commit=commit)
        moment = time.time()
        world.git("reset", "-q", "--hard", "HEAD~1")
        world.write("README.md", "# Rewritten\n")
        world.git("commit", "-qam", "Another history")
        world.git("push", "-q", "--force", "origin", "HEAD:main")
        back = world.until("fast_rollback", since=moment)
        users.wait_for("1.0.0", back["at"])
    assert not users.failed()
    assert world.kinds(since=moment) == ["fast_rollback"]


def test_a_deleted_branch_stops_nothing_and_is_found_again(world: World) -> None:
    commit = world.begin()
    running = world.running()
    with world.traffic() as users:
        world.git("update-ref", "-d", "refs/heads/main", at=world.remote)
        world.wait(lambda: "the branch has no commit" in world.problems(), "the status to say so")
        users.more(40)
        world.push()
        world.wait(lambda: not world.problems(), "all to be well again")
        world.version("1.1.0")
        world.until("promoted", commit=world.deploy("1.1.0"))
    assert not users.failed()
    assert running.items() <= world.running().items()
    assert commit in world.git("log", "--format=%H", "main", at=world.remote)


def test_a_signed_webhook_is_faster_than_the_poll_and_an_unsigned_one_is_refused(make_world: Make) -> None:
    world = make_world(start=False)
    port = free_port()
    (world.folder / "secret").write_text("correct horse\n")
    world.configure(
        poll="10m",
        repository=f"file://{world.remote}",
        server={"address": f"127.0.0.1:{port}", "webhook_secret": {"file": str(world.folder / "secret")}},
    )
    world.start()
    body = b'{"ref": "refs/heads/main"}'
    signature = "sha256=" + hmac.new(b"correct horse", body, hashlib.sha256).hexdigest()

    def post(signed: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/webhook", body=body, headers={"x-hub-signature-256": signed})
            return connection.getresponse().status
        finally:
            connection.close()

    assert post("sha256=" + "0" * 64) in (401, 403)
    world.model()
    world.version("1.0.0")
    commit = world.deploy("1.0.0")
    assert post(signature) in (200, 202, 204)
    world.until("promoted", commit=commit)
