"""The scenarios are the contract of what a rollout does: each is played, and has to hold. In seconds of real time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tidegate.rollout.simulate.expect import failures
from tidegate.rollout.simulate.report import as_json, as_text
from tidegate.rollout.simulate.run import play
from tidegate.rollout.simulate.scenario import load_scenario

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.yaml"))


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 10


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_holds(path: Path) -> None:
    scenario = load_scenario(path.read_bytes(), path.name)
    assert scenario.expect, "a scenario that expects nothing shows nothing"
    outcome = play(scenario)
    assert failures(scenario.expect, outcome) == [], as_text(outcome)


@pytest.mark.no_cover  # the scenarios above run the same lines, and measuring would cost three times what the story does
def test_a_scenario_has_one_outcome() -> None:
    path = SCENARIOS[0]
    scenario = load_scenario(path.read_bytes(), path.name)
    assert as_json(play(scenario)) == as_json(play(scenario))


@pytest.mark.no_cover  # the scenarios above run the same lines, and measuring would cost three times what the story does
def test_two_hours_at_a_hundred_a_second_are_played_to_their_end() -> None:
    text = b"""
seed: 1
traffic: {rate: 100}
policy:
  steps: [{name: half, weight: 50%, for: 110m}]
  guardrails:
    - {metric: error_rate, max_ratio: 1.0, margin: 3.0}
    - {metric: latency_p95_ms, max_increase: 10%, margin: 50%}
    - {metric: error_rate, max: 0.5, min_requests: 50, immediate: true}
releases: {v1: {error_rate: 0.01}, v2: {error_rate: 0.01}}
events: [{at: 0s, declare: v1}, {at: 1m, declare: v2}]
until: 2h
"""
    began = time.process_time()
    outcome = play(load_scenario(text, "long.yaml"))
    assert outcome.final["stable"] == "v2"
    assert time.process_time() - began < 120, "a hang guard: measured coverage and a busy machine take their time"
