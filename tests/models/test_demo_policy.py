"""The demo's policy decides within its own short steps, at 200 requests a second: up when healthy, back when broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from support.model_server import ROOT
from tidegate.analysis import judge
from tidegate.analysis.latency import histogram
from tidegate.analysis.model import Arm, Batch, Result
from tidegate.spec.policy import RolloutPolicy

POLICY = RolloutPolicy.model_validate(yaml.safe_load((ROOT / "policies/demo.yaml").read_text()))
RATE = 200
MS = 4.0


def arm(requests: int, errors: int = 0) -> Arm:
    return Arm(requests, errors, histogram([MS] * requests))


def walk(bad_share: float) -> Iterator[tuple[str, Batch]]:
    """The batches of a rollout, step by step; the candidate fails its share of requests."""
    number = 0
    for step in POLICY.steps:
        assert step.weight is not None
        for _ in range(int(step.duration / POLICY.batch)):
            number += 1
            mine = round(RATE * step.weight)
            start = number * POLICY.batch
            candidate, stable = arm(mine, round(mine * bad_share)), arm(RATE - mine)
            yield step.name, Batch(number, start, start + POLICY.batch, stable, candidate, None, step.weight)


def verdicts(bad_share: float) -> Iterator[tuple[str, float, judge.Verdict]]:
    analysis = judge.begin(POLICY.guardrails, POLICY.confidence)
    for step, batch in walk(bad_share):
        analysis = judge.absorb(analysis, batch)
        yield step, batch.end, judge.verdict(analysis, at=batch.end)


def test_a_healthy_candidate_is_promotable_when_its_steps_are_over() -> None:
    found = list(verdicts(0.0))
    assert all(verdict.result not in (Result.FAIL, Result.BOTH_ARMS) for _, _, verdict in found)
    step, _, verdict = found[-1]
    assert (step, verdict.result, verdict.promotable) == ("full", Result.PASS, True), verdict.sentence


@pytest.mark.parametrize("bad_share", [0.15, 0.25])
def test_a_candidate_that_fails_a_share_of_requests_is_caught_in_its_canary(bad_share: float) -> None:
    step, seconds, verdict = next(entry for entry in verdicts(bad_share) if entry[2].result is Result.FAIL)
    assert step == "canary"
    assert seconds <= 6 * POLICY.batch, verdict.sentence


def test_the_canary_can_see_its_min_requests_in_its_time() -> None:
    for step in (*POLICY.steps, *(POLICY.config_steps or ())):
        assert step.weight is not None
        assert step.min_requests <= RATE * step.weight * step.duration
