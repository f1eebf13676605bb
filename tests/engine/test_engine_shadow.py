"""A shadow step from the commit to the promotion, the hold or the revert: real git, gateway and servers, a whole controller."""

from __future__ import annotations

import re

from support.world import Make
from tidegate.analysis.agreement import HIDDEN
from tidegate.gateway.record import Cursor, RecordReader

ECHO = {"name": "echo", "shadow": "100%", "for": "1s", "min_requests": 30, "agreement": {"min": 0.9}}
SLOW = {"name": "slow", "shadow": "100%", "for": "10m"}
FULL = {"name": "full", "weight": "100%", "for": "1s"}
COMPARISON = {"by": "label", "paths": ["parity"], "redact": ["pid"], "samples": 3}


def test_a_release_that_agrees_goes_on_and_one_that_does_not_is_held_before_it_has_users(make_world: Make) -> None:
    world = make_world()
    world.policy(steps=[ECHO, FULL])
    world.begin(comparison=COMPARISON)
    assert world.cli("shadow", "digits").returncode == 1
    world.version("1.1.0")
    with world.traffic(body={"n": 7}) as users:
        commit = world.deploy("1.1.0")
        world.until("step", commit=commit, step="echo")
        kept = world.state / "gateway" / "answers" / "answers.jsonl"
        world.wait(lambda: kept.exists() and kept.stat().st_size, "the first copies")
        world.kill()  # what came before it is back is compared with nobody; the step goes on
        users.more(50)
        world.start()
        world.wait(lambda: world.live()["record"]["uncompared"] >= 50, "those answers to be counted")
        world.until("step", commit=commit, step="full")
        world.until("promoted", commit=commit)
        report = world.facts("shadow", "digits")
        assert report["pairs"] >= 30
        assert report["agreement"] == 1.0
        assert report["samples"] == []
        assert (report["stable"]["version"], report["shadow"]["version"]) == ("1.0.0", "1.1.0")
        assert report["shadow"]["latency_p50_ms"] > 0

        world.version("1.2.0", env={"WRONG": "50"})
        commit = world.deploy("1.2.0")
        held = world.until("held", commit=commit)
        assert "agree" in held["reason"]
        world.wait(lambda: world.route()["candidate"]["hold"] == "disagreement", "the hold")
        assert world.route()["candidate"]["agreement"] == 0.0
        users.more(50)
        assert world.route()["weights"] == {world.route()["stable"]["release"]: 100.0}
        status = world.cli("status", "digits").stdout
        assert "disagreement" in status
        world.revert(commit)
        world.until("superseded", commit=commit)

        world.policy(steps=[SLOW, FULL], guardrails=[{"metric": "agreement", "min": 0.95, "source": "shadow"}])
        world.version("1.3.0", env={"WRONG": "50"})
        commit = world.deploy("1.3.0")
        rejected = world.until("rolled_back", commit=commit)
        assert rejected["step"] == "slow"
        assert re.match(r"agreement 0.0 %, \d+ pairs of answers, odds .*; limit 95.0 %", rejected["reason"])
        world.wait(lambda: world.trailers().get("Tidegate-Reason") == rejected["reason"], "the revert in git")
        world.pull()
        answers = world.state / "gateway" / "answers"
        world.wait(lambda: sum(file.stat().st_size for file in answers.iterdir()) == 0, "the answers to be gone")
        users.more(20)
    assert users.failed() == []
    assert not {"1.2.0", "1.3.0"} & set(users.versions())
    shown = world.cli("shadow", "digits")
    assert shown.returncode == 0
    assert "0.0% of them agree" in shown.stdout
    assert "parity is 0 instead of 1" not in shown.stdout, "a value that may be secret is no reason for people to read"
    assert HIDDEN in shown.stdout
    samples = world.facts("shadow", "digits")["samples"]
    assert len(samples) == 3
    assert '"parity": 0' in samples[0]["shadow"]["answer"]
    assert '"parity": 1' in samples[0]["stable"]["answer"]
    lines, _ = RecordReader(world.state / "gateway" / "record" / "predictions.jsonl").read(Cursor(), limit=1_000_000)
    mirrored = [line for line in lines if line["role"] == "shadow"]
    assert {line["version"] for line in mirrored} == {"1.1.0", "1.2.0", "1.3.0"}
    assert {line["request_id"] for line in mirrored} <= {
        line["request_id"] for line in lines if line["role"] != "shadow"
    }
