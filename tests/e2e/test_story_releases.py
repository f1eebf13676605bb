"""Whole stories of releases: real git, real Envoy, real servers on both runtimes, users who ask all the while."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import docker

from support.world import Make, World

STEPS = ["step canary", "step half", "step full"]


def test_a_good_release_walks_its_steps_and_git_knows_it(each_world: World) -> None:
    world = each_world
    world.begin()
    with world.traffic() as users:
        users.more()
        world.version("2.0.0")
        commit = world.deploy("2.0.0")
        world.until("promoted", commit=commit)
        users.wait_for("2.0.0", time.time())
    assert [kind for kind in world.kinds() if kind.startswith("step")] == STEPS
    assert not users.failed()
    note = world.noted(commit, "promoted")
    assert (note["route"], note["version"], note["touched"]) == ("digits", "2.0.0", commit)
    world.wait(lambda: world.git("rev-parse", "refs/tidegate/production/digits", at=world.remote) == commit, "the ref")
    world.wait(lambda: [one["version"] for one in world.route()["standby"]] == ["1.0.0"], "the standby")
    assert len(world.running()) == 2


def test_a_bad_release_takes_itself_back_and_is_not_tried_again(each_world: World) -> None:
    world = each_world
    world.begin()
    with world.traffic() as users:
        users.more()
        world.version("2.0.0", env={"ERROR_RATE": "0.5"})
        commit = world.deploy("2.0.0")
        event = world.until("rolled_back", commit=commit)
        world.wait(lambda: 'version: "1.0.0"' in world.at_remote("models/digits/deployment.yaml"), "the revert")
        told = time.time()
        world.wait(lambda: world.live()["commit"] == world.head(), "the controller to read its own revert")
        users.more(100)
    assert users.versions(told).keys() == {"1.0.0"}, "traffic moves before git is told"
    assert all(reply.version == "2.0.0" for reply in users.failed())
    assert [kind for kind in world.kinds() if kind.startswith("step")] == ["step canary"]
    trailers = world.trailers()
    assert trailers["Tidegate-Route"] == "digits"
    assert trailers["Tidegate-Rejects"] == commit
    assert trailers["Tidegate-Reason"] == event["reason"]
    note = world.noted(commit, "rejected")
    assert trailers["Tidegate-Release"] == note["release"]
    assert world.kinds().count("started") == 2
    assert world.git("log", "-1", "--format=%an", "main", at=world.remote) == "Tidegate"


def test_a_newer_commit_tries_a_rejected_release_again(world: World) -> None:
    world.begin()
    with world.traffic():
        world.version("2.0.0", env={"ERROR_RATE": "0.5"})
        world.until("rolled_back", commit=world.deploy("2.0.0"))
        world.wait(lambda: world.head() == world.live()["commit"] != "" and len(world.commits()) == 4, "the revert")
        world.pull()
        again = world.deploy("2.0.0", reason="We think that it was the network.")
        world.until("started", commit=again)
        world.until("rolled_back", commit=again)


def test_a_git_revert_of_a_promoted_release_is_instant(each_world: World) -> None:
    world = each_world
    world.begin()
    with world.traffic() as users:
        world.version("2.0.0")
        commit = world.deploy("2.0.0")
        world.until("promoted", commit=commit)
        moment = time.time()
        world.revert(commit)
        event = world.until("fast_rollback", since=moment)
        moved = users.wait_for("1.0.0", event["at"])
        users.more(50)
    assert not [kind for kind in world.kinds(since=moment) if kind.startswith("step")]
    assert users.versions(moved).keys() == {"1.0.0"}, "everybody at once"
    assert not users.failed()


def test_a_revert_in_mid_rollout_supersedes_and_rejects_nothing(world: World) -> None:
    world.begin()
    world.policy(steps=[{"name": "canary", "weight": "50%", "for": "60s"}])
    world.commit("A slow policy")
    with world.traffic() as users:
        world.version("2.0.0")
        commit = world.deploy("2.0.0")
        world.until("step", commit=commit)
        users.wait_for("2.0.0", 0.0)
        world.revert(commit)
        world.until("superseded")
        moved = users.gone("2.0.0")
        users.more(50)
    assert users.versions(moved).keys() == {"1.0.0"}
    assert world.route()["rejected"] == []
    assert not users.failed()


def test_only_the_config_changes_and_no_server_is_touched(each_world: World) -> None:
    world = each_world
    config = "api: tidegate/v1\nkind: InferenceConfig\nmodel: digits\nname: default\nparameters: {top_k: %s, deep: {a: [1]}}\n"
    world.write("models/digits/configs/default.yaml", config % 1)
    world.model()
    world.version("1.0.0")
    world.until("promoted", commit=world.deploy("1.0.0", config="default"))
    world.wait(lambda: world.ask().status == 200, "an answer")
    before = world.running()
    assert world.ask(body={"parameters": {"own": 1}}).received["parameters"] == {
        "own": 1,
        "top_k": 1,
        "deep": {"a": [1]},
    }
    with world.traffic() as users:
        world.write("models/digits/configs/default.yaml", config % 3)
        commit = world.commit("Three digits")
        world.until("promoted", commit=commit)
        world.wait(lambda: world.ask().received["parameters"]["top_k"] == 3, "the parameter")
        moment = time.time()
        world.revert(commit)
        world.until("fast_rollback", since=moment)
        world.wait(lambda: world.ask().received["parameters"]["top_k"] == 1, "the parameter of before")
    assert world.running() == before
    assert not users.failed()


def test_a_plain_server_reads_the_config_of_each_release_from_its_file_and_is_not_touched(world: World) -> None:
    world.model(protocol="http")
    world.version("1.0.0", env={"FAIL_ABOVE": "0.5"})
    world.until("promoted", commit=world.deploy("1.0.0"))
    world.wait(lambda: world.ask().status == 200, "an answer")
    forged = {"x-tidegate-config": "default@0123456789ab.json", "x_tidegate_config": "../other"}
    assert world.ask(headers=forged).json["file"] is None, "a release without a config sends no header"
    before = world.running()
    with world.traffic() as users:
        world.config(temperature=0.2)
        world.until("promoted", commit=world.deploy("1.0.0", config="default"))
        world.wait(lambda: world.ask(headers=forged).json["config"] != "", "the config")
        good = world.ask(headers=forged).json
        assert json.loads(good["config"]) == {"model": "digits", "name": "default", "parameters": {"temperature": 0.2}}
        moment = time.time()
        world.config(temperature=0.9)
        commit = world.commit("Warmer")
        world.until("rolled_back", commit=commit)
        world.wait(lambda: "0.2" in world.at_remote("models/digits/configs/default.yaml"), "the revert")
        told = time.time()
        users.more(50)
    during = [reply.json for reply in users.replies if reply.status and moment < reply.sent < told]
    warm = {one["file"] for one in during if "error" in one}
    assert len(warm) == 1 and good["file"] not in warm
    assert {one["file"] for one in during} == {good["file"], *warm}, "both configs at the same time"
    assert {one["pid"] for one in during} == {good["pid"]} and world.running() == before, "from the same process"
    assert {reply.json["file"] for reply in users.replies if reply.sent > told} == {good["file"]}


def test_a_person_takes_back_a_config_alone_by_pinning_it(world: World) -> None:
    config = "# Ours.\napi: tidegate/v1\nkind: InferenceConfig\nmodel: digits\nname: default\nparameters: {top_k: %s}\n"
    world.write("models/digits/configs/default.yaml", config % 1)
    world.model()
    world.version("1.0.0")
    world.policy(guardrails=[{"metric": "latency_p95_ms", "max": 0.001, "min_requests": 15, "immediate": True}])
    world.until("promoted", commit=world.deploy("1.0.0", config="default"))
    world.wait(lambda: world.ask().status == 200, "an answer")
    before = world.running()
    with world.traffic():
        world.write("models/digits/configs/default.yaml", config % 3)
        commit = world.commit("Three digits")
        # Both arms are slower than a microsecond: the world is broken, not the candidate.
        world.wait(
            lambda: [
                one
                for one in world.events()
                if one["kind"] == "held"
                and one["commit"] == commit
                and ("both" in one["reason"] or "do not differ" in one["reason"])
            ],
            "the candidate to be held because of both",
        )
        moment = time.time()
        done = world.cli("rollback", "digits", "--config-only", "--reason", "wrong answers")
        assert done.returncode == 0, done.stderr
        world.until("superseded", since=moment)
    first = world.git("log", "--format=%H", "main", "--", "models/digits/configs", at=world.remote).splitlines()[-1]
    assert f"config: default@{first}\n" in world.at_remote("models/digits/deployment.yaml")
    assert world.running() == before


def test_one_feature_moves_alone_and_goes_home_again(world: World) -> None:
    world.begin(features=["archive", "checkout"])
    world.version("2.0.0")
    with (
        world.traffic() as everyone,
        world.traffic("digits/archive") as archive,
        world.traffic("digits/checkout") as other,
    ):
        commit = world.deploy("1.0.0", features={"archive": {"version": "2.0.0"}})
        world.until("promoted", "digits/archive", commit=commit)
        archive.wait_for("2.0.0", time.time())
        assert world.ask("digits/archive").version == "2.0.0"
        world.pull()
        world.deploy("1.0.0")
        moment = time.time()
        archive.wait_for("1.0.0", moment)
        world.wait(lambda: not world.route("digits/archive"), "the feature's route to dissolve")
        archive.more(30)
    assert set(everyone.versions()) == {"1.0.0"}
    assert set(other.versions()) == {"1.0.0"}
    assert not [*everyone.failed(), *archive.failed(), *other.failed()]


def test_a_bad_feature_release_takes_back_that_feature_alone(world: World) -> None:
    world.begin(features=["archive"])
    world.version("2.0.0", env={"ERROR_RATE": "0.6"})
    with world.traffic() as everyone, world.traffic("digits/archive") as archive:
        commit = world.deploy("1.0.0", features={"archive": {"version": "2.0.0"}})
        world.until("rolled_back", "digits/archive", commit=commit)
        world.wait(lambda: "2.0.0" not in world.at_remote("models/digits/deployment.yaml"), "the revert")
        told = time.time()
        archive.more(50)
    assert archive.versions(told).keys() == {"1.0.0"}, "traffic moves before git is told"
    assert world.trailers()["Tidegate-Route"] == "digits/archive"
    assert not everyone.failed()


def test_two_models_at_once_one_good_one_bad(each_world: World) -> None:
    world = each_world
    world.begin("digits")
    world.begin("letters")
    with world.traffic("digits") as digits, world.traffic("letters") as letters:
        world.version("2.0.0", "digits")
        world.version("2.0.0", "letters", env={"ERROR_RATE": "0.5"})
        world.write("models/letters/deployment.yaml", world_deployment("letters"))
        commit = world.deploy("2.0.0", "digits")
        world.until("rolled_back", "letters", commit=commit)
        world.until("promoted", "digits", commit=commit)
        world.wait(lambda: 'version: "1.0.0"' in world.at_remote("models/letters/deployment.yaml"), "the revert")
    assert 'version: "2.0.0"' in world.at_remote("models/digits/deployment.yaml")
    assert not digits.failed()
    assert all(reply.version == "2.0.0" for reply in letters.failed())


def world_deployment(model: str) -> str:
    from support import declare

    return declare.deployment(model, "2.0.0")


def test_a_newer_release_supersedes_the_one_under_way(world: World) -> None:
    world.begin()
    world.policy(steps=[{"name": "canary", "weight": "50%", "for": "60s"}])
    world.commit("A slow policy")
    with world.traffic() as users:
        world.version("2.0.0")
        second = world.deploy("2.0.0")
        world.until("step", commit=second)
        world.policy()
        world.version("3.0.0")
        third = world.deploy("3.0.0")
        world.until("superseded", commit=second)
        world.until("promoted", commit=third)
    assert "promoted" not in [one["kind"] for one in world.events() if one["version"] == "2.0.0"]
    assert not users.failed()


def test_segments_approvals_and_hold(world: World) -> None:
    world.begin(segments={"internal": {"header": "x-user-group", "values": ["internal"]}})
    world.policy(
        steps=[
            {"name": "insiders", "segments": ["internal"], "for": "1s", "min_requests": 10},
            {"name": "full", "weight": "100%", "for": "1s", "approve": "manual"},
        ]
    )
    world.commit("Insiders first")
    with world.traffic() as everyone, world.traffic(headers={"x-user-group": "internal"}) as insiders:
        world.version("2.0.0")
        commit = world.deploy("2.0.0")
        world.until("step", commit=commit, step="insiders")
        insiders.wait_for("2.0.0", time.time())
        world.until("held", commit=commit, saying="full")
        everyone.more(30)
        assert set(everyone.versions()) == {"1.0.0"}
        world.deploy("2.0.0", approvals=["full"], hold=True)
        world.wait(lambda: (world.route()["candidate"] or {}).get("hold") == "manual", "the hold by hand")
        everyone.more(30)
        assert set(everyone.versions()) == {"1.0.0"}
        world.deploy("2.0.0", approvals=["full"])
        world.until("promoted")
        everyone.wait_for("2.0.0", time.time())
    assert not [*everyone.failed(), *insiders.failed()]


def test_someone_elses_container_is_left_alone(
    make_world: Make, containers: Callable[..., Any], server_image: str, docker_engine: docker.DockerClient
) -> None:
    world = make_world("docker")
    alike = containers(server_image, name=f"digits-1.0.0-{world.instance}", environment={"TIDEGATE_PORT": "8080"})
    other = containers(
        server_image,
        labels={"io.tidegate.instance": "another", "io.tidegate.model": "digits"},
        environment={"TIDEGATE_PORT": "8080"},
    )
    world.begin()
    with world.traffic():
        world.version("2.0.0", env={"ERROR_RATE": "0.6"})
        world.until("rolled_back", commit=world.deploy("2.0.0"))
        world.wait(lambda: len(world.running()) == 1, "the bad release's container to be stopped")
    for container in (alike, other):
        container.reload()
        assert container.status == "running"
        assert container.attrs["RestartCount"] == 0
    assert len(docker_engine.containers.list(filters={"label": f"io.tidegate.instance={world.instance}"})) == 1
