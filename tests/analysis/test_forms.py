"""Metrics in other forms: scores in their own unit, events among a total, and what is bad when it is low."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.analysis.judge import Analysis, absorb, begin, verdict
from tidegate.analysis.model import Arm, Batch, Result, Verdict
from tidegate.analysis.scores import ScoresTest, line, valid
from tidegate.spec.policy import Guardrail


def rail(**fields: Any) -> Guardrail:
    return Guardrail.model_validate(fields)


def counted(
    guardrail: Guardrail,
    stable: float,
    candidate: float,
    *,
    batches: int = 40,
    n: int = 200,
    share: float | None = None,
) -> Verdict:
    """The verdict after batches in which stable and the candidate have so many events among `n`, by seeded chance."""
    rng, analysis = np.random.default_rng(3), begin((guardrail,), 0.99)
    for i in range(batches):
        arms = (
            Arm(n, counts={guardrail.metric: (n, int(rng.binomial(n, p)))}) if p >= 0 else Arm()
            for p in (stable, candidate)
        )
        analysis = absorb(analysis, Batch(i, i * 10.0, i * 10.0 + 10, *arms, share=share))
        analysis = Analysis.from_doc(json.loads(json.dumps(analysis.to_doc())))
    return verdict(analysis, at=0.0)


SOURCE = {"source": {"prometheus": "..."}}


@pytest.mark.parametrize(
    ("limit", "stable", "bad", "good"),
    [
        ({"max_ratio": 1.5}, 0.05, 0.15, 0.05),
        ({"max_increase": "20%"}, 0.10, 0.25, 0.10),
        ({"max": 0.10}, 0.02, 0.2, 0.05),
        ({"min_ratio": 0.9}, 0.5, 0.3, 0.5),
        ({"max_drop": "10%"}, 0.5, 0.3, 0.5),
        ({"min": 0.4}, 0.5, 0.2, 0.6),
        ({"min_ratio": 0.9, "margin": 0.7}, 0.5, 0.3, 0.5),
        ({"max": 0.10, "margin": 0.2}, 0.02, 0.3, 0.02),
    ],
)
def test_events_among_a_total_are_tested_as_counts(
    limit: dict[str, Any], stable: float, bad: float, good: float
) -> None:
    guardrail = rail(metric="conversion", **limit, **SOURCE)
    said = counted(guardrail, stable, bad)
    assert said.result is Result.FAIL and said.culprit is not None
    assert said.culprit.observed == pytest.approx(bad, abs=0.1) and "%" in said.sentence
    said = counted(guardrail, stable, good)
    assert said.result is Result.PASS and said.promotable


def test_a_low_rate_is_seen_against_the_record_too() -> None:
    guardrail = rail(metric="conversion", min_ratio=0.9, **SOURCE)
    rng, analysis = np.random.default_rng(3), begin((guardrail,), 0.99)
    for i in range(60):
        counts = {"conversion": (200, int(rng.binomial(200, 0.5 if i < 30 else 0.2)))}
        stable = Arm(200, counts={"conversion": (200, 100)}) if i < 30 else Arm()
        batch = Batch(i, i * 10.0, i * 10.0 + 10, stable, Arm(200, counts=counts), share=0.5 if i < 30 else 1.0)
        analysis = absorb(analysis, batch)
    assert verdict(analysis, at=0.0).result is Result.FAIL


def test_a_limit_that_no_rate_can_keep_is_told_when_counts_arrive() -> None:
    said = counted(rail(metric="conversion", max=7.0, bounds=[0, 10], **SOURCE), 0.5, 0.5)
    assert said.result is Result.NO_DATA and "arrive as counts" in said.sentence


def test_scores_in_their_own_unit_are_scaled_and_told_in_it() -> None:
    guardrail = rail(metric="stars", max_drop=0.5, margin=1.0, bounds=[1, 5], source="feedback")
    rng, bad, good = np.random.default_rng(1), begin((guardrail,), 0.99), begin((guardrail,), 0.99)
    for i in range(40):
        four, two = (tuple(rng.choice((m - 1.0, m + 1.0), 100).tolist()) for m in (4.0, 2.0))
        stable = Arm(100, scores={"stars": four})
        bad = absorb(bad, Batch(i, i * 10.0, i * 10.0 + 10, stable, Arm(100, scores={"stars": two})))
        good = absorb(good, Batch(i, i * 10.0, i * 10.0 + 10, stable, Arm(100, scores={"stars": four})))
    said = verdict(bad, at=0.0)
    assert said.result is Result.FAIL and said.sentence.startswith("stars 2") and "against 4, " in said.sentence
    assert verdict(good, at=0.0).promotable


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=9),
    st.sampled_from([("max_drop", 0.1), ("min_ratio", 0.8), ("max_increase", 0.1), ("max", 0.4), ("min", 0.5)]),
    st.sampled_from([(-3.0, 7.0), (100.0, 101.0), (0.0, 1e6)]),
)
def test_a_claim_in_another_unit_says_the_same(
    values: list[float], claim: tuple[str, float], bounds: tuple[float, float]
) -> None:
    name, limit = claim
    low, high = bounds
    raw = [low + (high - low) * v for v in values]
    there = {"max": low + limit * (high - low), "min": low + limit * (high - low), "min_ratio": limit}
    of = there.get(name, limit * (high - low))
    scaled = valid(raw, bounds)
    assert scaled == pytest.approx(np.array(values), abs=1e-6) or len(scaled) < len(raw)
    for left in (0.0, 0.3, 1.0):
        stable, candidate = np.array([left]), np.array([values[0]])
        got = float(line(name, of, bounds).value(stable, candidate)[0]) * (high - low)
        if name == "min_ratio":
            want = limit * (low + left * (high - low)) - (low + values[0] * (high - low))
        else:
            want = float(line(name, limit).value(stable, candidate)[0]) * (high - low)
        assert got == pytest.approx(want, abs=1e-6 * max(abs(low), high))
        bet = ScoresTest(line(name, of, bounds))
        assert math.isfinite(bet.absorb(stable, candidate).log_e)


def test_an_invalid_output_is_one_outside_the_bounds_of_its_own_guardrail() -> None:
    rails = (
        rail(metric="invalid_output", max=0.5),
        rail(metric="stars", max_drop=1.0, bounds=[1, 5], source="feedback"),
    )
    for stars, result in ((4.0, Result.PASS), (9.0, Result.BOTH_ARMS)):
        analysis = begin(rails, 0.99)
        for i in range(30):
            arm = Arm(50, scores={"stars": (stars,) * 50})
            analysis = absorb(analysis, Batch(i, i * 10.0, i * 10.0 + 10, arm, arm))
        assert verdict(analysis, at=0.0).judgements[0].result is result


@pytest.mark.parametrize("bounds", [[1, 1], [5, 1], [0], "wide"])
def test_bounds_are_two_numbers_in_order(bounds: Any) -> None:
    with pytest.raises(ValueError, match="bounds"):
        rail(metric="stars", max_drop=0.5, bounds=bounds, source="feedback")
