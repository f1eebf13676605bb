"""The commands against a world that lives: what people type, what they read, what programs parse."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.engine import free_port
from support.world import Make, World, environment

BAD = {"ERROR_RATE": "0.7"}


def test_status_history_events_and_logs_say_what_runs_and_why(world: World) -> None:
    world.begin()
    with world.traffic() as users:
        world.policy(steps=[{"name": "canary", "weight": "30%", "for": "60s"}])
        world.version("1.1.0")
        commit = world.deploy("1.1.0", reason="Fewer mistakes.")
        world.until("step", commit=commit)
        users.wait_for("1.1.0", 0)
        world.wait(lambda: (world.route()["candidate"] or {}).get("verdict"), "a verdict")
        text = world.cli("status").stdout
        facts = world.facts("status", "digits")
    assert "1.0.0" in text and "1.1.0" in text
    assert "canary (1/1)" in text
    assert "70%" in text and "30%" in text
    assert facts["version"] == 1
    assert facts["running"] is True
    [route] = facts["routes"]
    assert route["weights"] == {route["stable"]["release"]: 70.0, route["candidate"]["release"]: 30.0}
    assert route["candidate"]["asked_by"] == commit
    assert route["candidate"]["phase"] == "shifting"
    assert set(route["ready"].values()) == {"ready"}
    assert facts["commit"] == commit
    assert {one["version"] for one in facts["instances"]} == {"1.0.0", "1.1.0"}

    every = world.facts("events", "digits")["events"]
    told = [one for one in every if one["kind"] not in ("held", "resumed")]
    assert [one["kind"] for one in told] == ["started", "promoted", "started", "step"]
    assert told[2]["reason"] == "Fewer mistakes."
    assert {"at", "route", "kind", "release", "version", "phase", "step", "weights", "reason", "commit"} <= told[
        0
    ].keys()
    lines = world.cli("events", "--since", "1h").stdout.splitlines()
    assert len(lines) >= len(every), "its users have left: a hold may have been added"
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ? +digits +started +1\.0\.0", lines[0])
    [promoted] = world.facts("history")["history"]
    assert promoted["kind"] == "promoted"
    assert "promoted" in world.cli("history", "digits").stdout

    logs = world.cli("logs", "digits@1.1.0")
    assert re.fullmatch(r"digits-1\.1\.0-[0-9a-f]{12}-0  serving 1\.1\.0\n", logs.stdout)
    missing = world.cli("logs", "nobody")
    assert missing.returncode == 2
    assert "digits@1.0.0" in missing.stderr
    assert world.cli("status", "nobody").returncode == 2


def test_status_tells_from_the_journal_while_no_controller_runs(world: World) -> None:
    world.begin()
    world.stop()
    text = world.cli("status")
    assert text.returncode == 0
    assert "no controller runs" in text.stdout
    facts = world.facts("status")
    assert facts["running"] is False
    assert facts["routes"][0]["stable"]["version"] == "1.0.0"


def test_a_person_rolls_a_model_back_and_forth_by_commits(world: World) -> None:
    first = world.begin()
    with world.traffic() as users:
        world.version("1.1.0")
        second = world.deploy("1.1.0")
        world.until("promoted", commit=second)
        asked = time.time()
        done = world.cli("rollback", "digits", "--reason", "wrong totals")
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"digits: from .* back to .*: commit [0-9a-f]{12} pushed\n", done.stdout)
        back = world.until("fast_rollback", since=asked)
        assert back["version"] == "1.0.0"
        assert back["commit"] == world.head()
        assert world.git("log", "-1", "--format=%an", "main", at=world.remote) == "Team A", (
            "in the name of who typed it"
        )
        assert world.trailers()["Tidegate-Reason"] == "wrong totals"
        assert world.at_remote("models/digits/deployment.yaml").splitlines()[3] == 'version: "1.0.0"'
        world.pull()
        forth = time.time()
        facts = world.facts("rollback", "digits", "--to", second[:10])
        assert facts["how"] == "reverted"
        assert (facts["from"]["version"], facts["to"]["version"]) == ("1.0.0", "1.1.0")
        assert world.until("fast_rollback", since=forth)["version"] == "1.1.0"
        users.wait_for("1.1.0", forth)
    assert not users.failed()
    assert first != second
    nowhere = world.cli("rollback", "digits", "--to", "no-such-tag")
    assert nowhere.returncode == 2
    assert "names no commit" in nowhere.stderr
    unknown = world.cli("rollback", "letters")
    assert unknown.returncode == 2
    assert "digits" in unknown.stderr


def test_a_person_rolls_one_feature_back(world: World) -> None:
    world.begin(features=["archive"])
    world.version("1.1.0")
    with world.traffic("digits/archive"):
        commit = world.deploy("1.0.0", features={"archive": {"version": "1.1.0"}})
        world.until("promoted", "digits/archive", commit=commit)
        asked = time.time()
        done = world.cli("rollback", "digits/archive")
        assert done.returncode == 0, done.stderr
        world.until("fast_rollback", "digits/archive", since=asked)
    assert world.ask("digits/archive").version == "1.0.0"
    assert world.trailers()["Tidegate-Route"] == "digits/archive"
    assert "1.1.0" not in world.at_remote("models/digits/deployment.yaml")


def test_a_config_that_fails_its_steps_is_taken_back_and_no_server_is_touched(world: World) -> None:
    world.model()
    world.version("1.0.0", env={"FAIL_ABOVE": "0.5"})
    world.config(temperature=0.2)
    world.until("promoted", commit=world.deploy("1.0.0", config="default"))
    world.wait(lambda: world.ask().status == 200, "an answer")
    running = world.running()
    with world.traffic() as users:
        world.config(temperature=0.9)
        commit = world.commit("Warmer")
        rejected = world.until("rolled_back", commit=commit)
        world.wait(lambda: world.head() != commit, "the revert commit")
        settled = time.time()
        users.more(60)
    assert not users.failed(settled)
    assert {reply.release for reply in users.failed()} == {rejected["release"]}
    assert world.at_remote("models/digits/configs/default.yaml") == world.at_remote(
        "models/digits/configs/default.yaml", f"{commit}~"
    )
    assert world.trailers()["Tidegate-Rejects"] == commit
    assert world.running() == running


def test_doctor_finds_a_good_world_good_and_names_what_is_missing(make_world: Make) -> None:
    world = make_world(start=False)
    before = world.facts("doctor")
    assert before["version"] == 1
    checks = {one["check"]: one for one in before["checks"]}
    assert checks.keys() == {
        "python", "git", "repository", "gateway", "address", "callers", "providers", "runtime", "state", "journal",
    }  # fmt: skip
    assert checks["repository"]["ok"]
    assert checks["address"]["ok"]
    world.start()
    good = world.cli("doctor")
    assert good.returncode == 0, good.stdout
    assert "held by this controller's gateway" in good.stdout
    missing = {"address": "https://api.example.com", "file": "nowhere"}
    world.configure(repository=str(world.folder / "nowhere.git"), branch="main", providers={"credentials": [missing]})
    bad = world.cli("doctor")
    assert bad.returncode == 1
    assert "FAIL  repository" in bad.stdout
    assert "file:nowhere for https://api.example.com is not there" in bad.stdout
    assert "fix: " in bad.stdout


def test_two_instances_share_an_engine_and_do_not_see_each_other(make_world: Make) -> None:
    one, other = make_world("docker"), make_world("docker")
    one.begin()
    other.begin()
    before = other.running()
    with one.traffic() as users:
        one.version("1.1.0", env=BAD)
        one.until("rolled_back", commit=one.deploy("1.1.0"))
        one.wait(lambda: len(one.running()) == 1, "the bad one's container to go")
        users.more(20)
    one.kill()
    one.end_servers()
    assert one.running() == {}
    assert other.running() == before
    assert other.ask().version == "1.0.0"
    assert len(other.facts("status")["instances"]) == 1


@pytest.fixture
def own(tmp_path: Path) -> Any:
    """A folder that `tidegate init` made, and a way to call commands in it; what was started is ended."""
    folder = tmp_path / "my-models"
    (tmp_path / ".gitconfig").write_text("[user]\nname = Team A\nemail = team-a@example.com\n")
    variables = {**environment(), "HOME": str(tmp_path)}

    def call(*words: str, code: int = 0, at: Path = folder) -> str:
        done = subprocess.run([*words], cwd=at, capture_output=True, text=True, env=variables, check=False, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    tidegate = (sys.executable, "-m", "tidegate")
    call(*tidegate, "init", str(folder), at=tmp_path)
    port = free_port()
    settings = folder / "tidegate.yaml"
    settings.write_text(settings.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
    call("git", "commit", "-qam", "Our own address")
    started: list[subprocess.Popen[bytes]] = []

    class Own:
        clone, gateway, log = folder, port, tmp_path / "log"

        def tidegate(self, *words: str, code: int = 0) -> str:
            return call(*tidegate, *words, code=code)

        def git(self, *words: str) -> str:
            return call("git", *words).strip()

        def run(self) -> subprocess.Popen[bytes]:
            with self.log.open("wb") as log:
                words = [*tidegate, "run", "--ephemeral"]
                started.append(
                    subprocess.Popen(words, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)
                )
            return started[-1]

    yield Own()
    for process in started:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    print((tmp_path / "log").read_text() if started else "")


def test_a_first_repository_validates_plans_serves_and_rolls_back(own: Any, make_world: Make) -> None:
    world = make_world(start=False)  # for its client alone
    world.port, world.state = own.gateway, own.clone / ".tidegate"
    assert json.loads(own.tidegate("validate", "--format", "json"))["findings"] == []
    assert own.git("status", "--porcelain") == ""
    own.run()
    world.wait(lambda: world.ask("hello").status == 200, "the first answer")
    assert world.ask("hello").json["greeting"] == "hello"
    assert own.git("status", "--porcelain") == "", "the controller's own files are ignored"
    deployment = own.clone / "models/hello/deployment.yaml"
    deployment.write_text(deployment.read_text().replace('"1.0.0"', '"1.1.0"'))
    plan = own.tidegate("plan")
    assert "hello" in plan and "1.1.0" in plan
    steps = json.loads(own.tidegate("plan", "--format", "json"))["routes"]
    assert steps[0]["route"] == "hello"
    assert own.tidegate("plan", "--format", "markdown").startswith("<!-- tidegate plan -->\n\n### Tidegate plan")
    own.git("commit", "-qam", "A warmer greeting")
    with world.traffic("hello") as users:
        world.until("step", "hello")
        users.wait(
            lambda _: (
                {reply.json["greeting"] for reply in users.replies if reply.status == 200}
                == {"hello", "hello, and welcome"}
            )
        )
        told = own.tidegate("rollback", "hello", "--reason", "too warm")
        assert "back to hello 1.0.0" in told
        world.until("superseded", "hello")
        assert '"1.0.0"' in deployment.read_text(), "the clean work tree followed"
        assert own.git("log", "-1", "--format=%s").startswith("Roll back hello to 1.0.0")
    assert not users.failed()


def test_init_leaves_what_is_there_alone(own: Any) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tidegate", "init", str(own.clone)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment()},
        check=False,
    )
    assert said.returncode == 2
    assert "stands there already" in said.stderr
