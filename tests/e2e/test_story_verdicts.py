"""Verdicts on real traffic, told in one sentence everywhere: git, status, history, alert; and replayed from Envoy's record."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.receiver import Receiver
from support.world import Make, World, environment

STEPS = [{"name": "canary", "weight": "50%", "for": "60s"}, {"name": "full", "weight": "100%", "for": "1s"}]
SLOWER = [
    {"metric": "error_rate", "max_ratio": 2.0},
    {"metric": "latency_p95_ms", "max_ratio": 1.5},
    {"metric": "error_rate", "max": 0.5, "min_requests": 50, "immediate": True},
]
EU = {"eu": {"header": "x-geo", "prefix": "eu-"}}
CHANCE = r"odds of this by chance below 1 in [\d,]+"


def told_everywhere(world: World, commit: str, event: dict[str, Any], receiver: Receiver) -> None:
    """The event's sentence stands in the revert commit, the note, the status, the history, the journal and the alert."""
    sentence = event["reason"]
    world.wait(lambda: world.trailers().get("Tidegate-Rejects") == commit, "the revert commit")
    assert world.trailers()["Tidegate-Reason"] == sentence
    assert world.noted(commit, "rejected")["reason"] == sentence
    assert [one["reason"] for one in world.facts("status", "digits")["routes"][0]["rejected"]] == [sentence]
    assert world.facts("history", "digits")["history"][0]["reason"] == sentence
    [alert] = world.wait(lambda: receiver.about("rolled back"), "the alert")
    assert alert["message"].startswith(f"{sentence}\n")
    assert f"release {event['release']} (2.0.0), commit {commit[:12]}" in alert["message"]
    assert "tidegate retry digits" in alert["message"]


def replayed(world: World) -> dict[str, Any]:
    """What `tidegate backtest`, typed in the clone, makes of the record that Envoy wrote."""
    files = sorted(str(file) for file in world.state.glob("gateway/record/predictions.jsonl*"))
    words = [sys.executable, "-m", "tidegate", "backtest", "--policy", "fast", "--format", "json", "--log", *files]
    done = subprocess.run(words, cwd=world.clone, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def told(make_world: Make, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose alerts go to the receiver."""
    monkeypatch.setenv("TEAM_CHAT", receiver.address)
    world = make_world(start=False)
    world.configure(notify=["env:TEAM_CHAT"])
    world.start()
    return world


def test_a_release_that_is_slower_only_is_taken_back_with_one_sentence_everywhere(
    told: World, receiver: Receiver, tmp_path: Path
) -> None:
    world = told
    world.begin()
    world.policy(steps=STEPS, guardrails=SLOWER)
    world.version("2.0.0", env={"LATENCY_MS": "250"})
    with world.traffic() as users:
        commit = world.deploy("2.0.0")
        event = world.until("rolled_back", commit=commit)
        users.more(20)
    assert re.fullmatch(
        rf"p95 latency \d+(\.\d)? ms against \d+(\.\d+)? ms, \d+ candidate requests, {CHANCE}; limit 1.5x; owner team-a",
        event["reason"],
    )
    assert not users.failed()
    told_everywhere(world, commit, event, receiver)

    found = replayed(world)
    assert (found["verdict"], found["metric"], found["release"]) == ("fail", "latency_p95_ms", event["release"])
    assert abs(found["at"] - event["at"]) < 30.0, (
        "the same trial; how late a busy controller reads the record is its own"
    )
    assert found["observed"] > 1.5 * found["baseline"]

    drawn = tmp_path / "evidence.svg"
    assert world.cli("history", "digits", "--plot", str(drawn)).returncode == 0
    text = drawn.read_text()
    assert "latency_p95_ms max_ratio: 1.5" in text
    assert "canary 50 %" in text
    assert "rolled_back: p95 latency" in text
    shown = world.cli("history", "digits", "--plot", "--release", "2.0.0").stdout
    assert "1/alpha" in shown
    assert event["reason"] in " ".join(shown.split())

    moment = time.time()
    world.stop()
    world.start()
    world.wait(lambda: world.live()["at"] > moment + 3.0, "the next controller to look around")
    assert len(receiver.about("digits")) == 2, (
        "1.0.0 was promoted, 2.0.0 was rolled back, and a restart repeats nothing"
    )


def test_a_release_that_is_bad_for_one_segment_is_taken_back(told: World, receiver: Receiver) -> None:
    world = told
    receiver.status = 503
    world.begin(segments=EU)
    world.wait(lambda: "env:TEAM_CHAT did not take the message" in world.problems(), "the status to say so")
    receiver.status = 200
    world.wait(lambda: receiver.about("was promoted"), "the message to be tried again")
    world.wait(lambda: "TEAM_CHAT" not in world.problems(), "the status to be well again")
    world.policy(steps=STEPS, guardrails=[{"metric": "error_rate", "max_ratio": 2.0, "segments": "each"}])
    world.version("2.0.0", env={"FAIL_ABOVE": "1"})
    hot = {"parameters": {"temperature": 5}}
    with world.traffic(clients=4), world.traffic(headers={"x-geo": "eu-west"}, body=hot, clients=1) as europe:
        commit = world.deploy("2.0.0")
        event = world.until("rolled_back", commit=commit)
        europe.more(20)
    assert re.fullmatch(
        rf"in eu: error rate [\d.]+ % against 0.0 %, \d+ candidate requests, {CHANCE}; limit 2.0x; owner team-a",
        event["reason"],
    )
    told_everywhere(world, commit, event, receiver)
    found = replayed(world)
    assert (found["verdict"], found["metric"]) == ("fail", "error_rate")
    assert found["sentence"].startswith("in eu: error rate")
