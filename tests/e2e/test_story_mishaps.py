"""What goes wrong around a release: killed controllers, bad artifacts, lost servers, races in git, rebuilt hosts, bad input."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import declare
from support.world import Make, World

SLOW = [
    {"name": "canary", "weight": "20%", "for": "6s", "min_requests": 15},
    {"name": "full", "weight": "100%", "for": "1s"},
]


def test_a_controller_killed_in_mid_canary_loses_no_request_and_no_step(each_world: World) -> None:
    world = each_world
    world.begin()
    world.policy(steps=SLOW)
    world.commit("A slow canary")
    with world.traffic() as users:
        world.version("2.0.0")
        commit = world.deploy("2.0.0")
        begun = world.until("step", commit=commit)
        users.wait_for("2.0.0", begun["at"])
        world.wait(lambda: (world.route()["candidate"] or {}).get("clock", 0) > 1, "some evidence")
        before = world.running()
        world.kill()
        users.more(100)
        world.start()
        promoted = world.until("promoted", commit=commit)
    assert not users.failed()
    assert [kind for kind in world.kinds() if kind.startswith("step")] == ["step canary", "step full"]
    assert world.kinds().count("started") == 2
    assert promoted["at"] - begun["at"] > 6.5, "not shortened"
    assert before.items() <= world.running().items()


def test_a_controller_killed_right_after_the_verdict_still_makes_git_true_once(world: World) -> None:
    world.begin()
    with world.traffic() as users:
        world.version("2.0.0", env={"ERROR_RATE": "0.6"})
        commit = world.deploy("2.0.0")
        world.until("rolled_back", commit=commit)
        world.kill()
        world.start()
        world.wait(lambda: 'version: "1.0.0"' in world.at_remote("models/digits/deployment.yaml"), "the revert")
        told = time.time()
        world.wait(lambda: not world.route()["git_pending"], "the duty to be done")
        users.more(50)
    assert len([subject for subject in world.commits() if subject.startswith("Revert")]) == 1
    assert users.versions(told).keys() == {"1.0.0"}, "traffic moves before git is told"
    assert world.kinds().count("rolled_back") == 1


@pytest.fixture
def serving(shared_world: World) -> Iterator[World]:
    """The shared world where it serves digits 1.0.0 and nothing is under way; a story leaves it like that."""
    if not shared_world.route():
        shared_world.begin()
    shared_world.pull()
    yield shared_world
    shared_world.wait(lambda: not shared_world.route()["git_pending"], "git to be told")
    print(f"--- {shared_world.folder}\n{shared_world.tail(80)}")


@pytest.mark.parametrize(
    ("version", "artifact", "words"),
    [
        ("2.0.0", {"sha256": "1" * 64}, "sha256"),
        ("2.0.1", {"uri": "file:models/digits/artifacts/gone.py"}, "gone.py"),
    ],
)
def test_a_wrong_artifact_is_rejected_with_its_reason(
    serving: World, version: str, artifact: dict[str, object], words: str
) -> None:
    world = serving
    with world.traffic() as users:
        world.version(version, artifact=artifact)
        commit = world.deploy(version)
        event = world.until("rolled_back", commit=commit)
        world.wait(lambda: 'version: "1.0.0"' in world.at_remote("models/digits/deployment.yaml"), "the revert")
    assert words in event["reason"], event["reason"]
    assert set(users.versions()) == {"1.0.0"}
    assert not users.failed()
    assert not list((world.state / "artifacts").rglob("partial/*"))


def test_a_candidate_that_is_never_ready_or_ends_at_once_is_rejected(each_world: World) -> None:
    world = each_world
    world.begin()
    with world.traffic() as users:
        world.version("2.0.0", env={"NOT_READY": "1"}, runtime={"startup_timeout": "2s"})
        commit = world.deploy("2.0.0")
        never = world.until("rolled_back", commit=commit)
        world.wait(lambda: world.head() != commit, "the revert commit")
        world.pull()
        world.version("3.0.0", env={"EXIT_AFTER": "0"})
        ends = world.until("rolled_back", commit=world.deploy("3.0.0"))
    assert "start-up budget of 2s" in never["reason"] and "503" in never["reason"]
    assert "exit code 7" in ends["reason"] and "the licence has run out" in ends["reason"]
    assert set(users.versions()) == {"1.0.0"}
    assert not users.failed()


def test_a_server_that_is_killed_comes_back_and_its_standby_answers_meanwhile(each_world: World) -> None:
    world = each_world
    world.begin()
    with world.traffic() as users:
        world.version("2.0.0")
        world.until("promoted", commit=world.deploy("2.0.0"))
        moment = time.time()
        name, ref = next((name, ref) for name, ref in world.running().items() if "-2.0.0-" in name)
        if world.kind == "docker":
            subprocess.run(["docker", "rm", "-f", ref], check=True, capture_output=True, env=engine_environment())
        else:
            os.kill(int(ref), signal.SIGKILL)
        noticed = told_of(world, "degraded", moment)
        recovered = world.until("recovered", since=moment)
        users.wait_for("2.0.0", recovered["at"])
        users.more(50)
    assert world.running()[name] != ref
    # The requests under way when the server died are lost with it, and no more than the moment it takes to notice.
    assert not users.failed(noticed)


def told_of(world: World, kind: str, since: float) -> float:
    """Wait until the status is one that was written after an event, and the traffic moved before; when that was seen."""
    event = world.until(kind, since=since)
    world.wait(lambda: world.live().get("at", 0.0) > event["at"], "the status to follow")
    return time.time()


def engine_environment() -> dict[str, str]:
    return {**os.environ, "DOCKER_HOST": os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")}


def test_a_mixed_commit_loses_only_this_routes_fields(world: World) -> None:
    world.begin()
    world.pull()
    before = (
        "# Our digits.\napi: tidegate/v1\nkind: Deployment\nmodel: digits\n"
        'version: "1.0.0"   # what everybody gets\npolicy: fast\nreplicas: 1\n'
    )
    world.write("models/digits/deployment.yaml", before)
    world.commit("With comments")
    with world.traffic():
        world.version("2.0.0", env={"ERROR_RATE": "0.6"})
        world.write(
            "models/digits/deployment.yaml", before.replace("1.0.0", "2.0.0").replace("replicas: 1", "replicas: 2")
        )
        world.write("README.md", "# Our models, all of them\n")
        world.version("1.0.0", "letters")
        commit = world.commit("Everything at once")
        world.until("rolled_back", commit=commit)
        world.wait(lambda: "2.0.0" not in world.at_remote("models/digits/deployment.yaml"), "the revert")
    assert world.at_remote("models/digits/deployment.yaml") == before.replace("replicas: 1", "replicas: 2")
    assert world.at_remote("README.md") == "# Our models, all of them\n"
    assert world.at_remote("models/letters/versions/1.0.0.yaml")


def test_a_push_race_is_won_by_doing_it_again(world: World) -> None:
    world.begin()
    other = world.folder / "other"
    world.git("clone", "-q", str(world.remote), str(other), at=world.folder)
    hook = world.remote / "hooks/pre-receive"
    # Somebody pushes while the controller's push is under way: once, and not for their own push.
    hook.write_text(
        "#!/bin/sh\nread old new ref\n"
        f'[ "$ref" = refs/heads/main ] && [ -e {world.folder}/race ] || exit 0\n'
        f"rm {world.folder}/race\nunset GIT_QUARANTINE_PATH\n"
        f"cd {other} && unset GIT_DIR && git pull -q && echo more >> README.md && "
        "git -c user.name=Other -c user.email=other@example.com commit -qam 'In between' && git push -q origin HEAD:main\n"
    )
    hook.chmod(0o755)
    with world.traffic():
        world.version("2.0.0", env={"ERROR_RATE": "0.6"})
        commit = world.deploy("2.0.0")
        (world.folder / "race").touch()
        world.until("rolled_back", commit=commit)
        world.wait(lambda: 'version: "1.0.0"' in world.at_remote("models/digits/deployment.yaml"), "the revert")
    subjects = world.commits()
    assert "In between" in subjects
    assert len([subject for subject in subjects if subject.startswith("Revert")]) == 1


def test_a_protected_branch_gets_a_branch_to_merge_and_the_status_says_so(world: World) -> None:
    world.begin()
    hook = world.remote / "hooks/update"
    hook.write_text('#!/bin/sh\n[ "$1" = refs/heads/main ] && [ -e "$GIT_DIR/protected" ] && exit 1\nexit 0\n')
    hook.chmod(0o755)
    with world.traffic() as users:
        world.version("2.0.0", env={"ERROR_RATE": "0.6"})
        commit = world.deploy("2.0.0")
        (world.remote / "protected").touch()
        world.until("rolled_back", commit=commit)
        world.wait(lambda: world.git("branch", "--list", "tidegate/rollback-*", at=world.remote), "the branch")
        told = time.time()
        world.wait(lambda: "merge" in (world.route()["git"] or ""), "the status to say so")
        users.more(60)
    assert world.head() == commit
    assert users.versions(told).keys() == {"1.0.0"}, "traffic moves before git is told"
    assert world.kinds().count("started") == 2


def test_a_rebuilt_host_begins_from_what_was_promoted_not_from_head(world: World) -> None:
    world.begin()
    world.policy(steps=[{"name": "canary", "weight": "20%", "for": "2s", "min_requests": 10}])
    world.commit("A policy")
    with world.traffic():
        world.version("2.0.0")
        commit = world.deploy("2.0.0")
        world.until("step", commit=commit)
    world.kill()
    world.clean()
    shutil.rmtree(world.state)
    world.processes.clear()
    world.start()
    world.wait(lambda: world.ask().status == 200, "an answer on the new host")
    assert world.wait(lambda: world.route().get("stable"), "the status to say so")["version"] == "1.0.0"
    with world.traffic() as users:
        world.until("promoted", commit=commit)
        users.wait_for("2.0.0", time.time())
    # Whichever server is up first: a candidate without a stable one beside it waits.
    waiting = ("degraded", "recovered", "held", "resumed")
    assert [kind for kind in world.kinds() if kind not in waiting] == [
        "started",
        "step canary",
        "promoted",
    ]


def _broken_yaml(world: World) -> None:
    world.write("models/digits/deployment.yaml", "api: tidegate/v1\nkind: Deployment\n  model: [digits\n")


def _unknown_field(world: World) -> None:
    world.write("models/digits/deployment.yaml", declare.deployment("digits", "1.0.0", replica=2))


def _missing_version(world: World) -> None:
    world.write("models/digits/deployment.yaml", declare.deployment("digits", "9.9.9"))


def _deleted(world: World) -> None:
    (world.clone / "models/digits/deployment.yaml").unlink()


def _emptied(world: World) -> None:
    shutil.rmtree(world.clone / "models")
    shutil.rmtree(world.clone / "policies")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_broken_yaml, "models/digits/deployment.yaml:3"),
        (_unknown_field, "did you mean 'replicas'"),
        (_missing_version, "9.9.9"),
        (_deleted, ""),
        (_emptied, ""),
    ],
)
def test_bad_input_in_git_stops_nothing_and_is_told(serving: World, spoil: object, told: str) -> None:
    world, moment = serving, time.time()
    before = world.running()
    with world.traffic() as users:
        spoil(world)  # type: ignore[operator]  # one of the functions above
        commit = world.commit("Oh no")
        world.wait(lambda: world.live()["commit"] == commit, "the commit to be read")
        world.wait(lambda: told in world.problems(), f"'{told}' in the status: {world.problems()}")
        users.more(50)
        world.revert(commit)
        world.wait(lambda: world.live()["commit"] == world.head() and not world.problems(), "all to be well again")
        users.more(20)
    assert not users.failed()
    assert world.running() == before
    assert world.kinds(since=moment) == []


def test_an_unreachable_remote_is_told_and_found_again(world: World) -> None:
    world.begin()
    with world.traffic() as users:
        away = world.folder / "away.git"
        world.remote.rename(away)
        world.wait(lambda: str(world.remote) in world.problems(), "the status to say so")
        users.more(50)
        away.rename(world.remote)
        world.wait(lambda: not world.problems(), "all to be well again")
        world.version("2.0.0")
        world.until("promoted", commit=world.deploy("2.0.0"))
    assert not users.failed()


def test_a_port_in_use_ends_the_start_with_its_holder_named(make_world: Make) -> None:
    import socket

    world = make_world(start=False)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", world.port))
        holder.listen()
        process = world.spawn()
        assert process.wait(30) == 2
    assert f"127.0.0.1:{world.port} is in use by process {os.getpid()}" in world.tail()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tidegate-test", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_what_serves_goes_on_serving(small_disk: Path, make_world: Make) -> None:
    world = make_world(start=False)
    world.state = small_disk / "state"
    world.configure(state=str(world.state))
    world.start()
    world.begin()
    with world.traffic() as users:
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"x" * 65536)
        users.more(100)
        world.version("2.0.0")
        commit = world.deploy("2.0.0")
        world.wait(lambda: "the old state goes on serving meanwhile" in world.tail(400), "the log to say so")
        users.more(100)
        assert set(users.versions()) == {"1.0.0"}
        ballast.unlink()
        world.until("promoted", commit=commit)
    assert not users.failed()
