"""The smaller parts: dispersion guard, sample ratio, joint decision, bounds, sample sizes, words."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tidegate.analysis import joint, words
from tidegate.analysis.bounds import mean_reach, rate_lower, rate_upper
from tidegate.analysis.dispersion import Dispersion
from tidegate.analysis.metrics import Kind, Metric
from tidegate.analysis.sample_ratio import SampleRatio
from tidegate.analysis.samples import samples_needed
from tidegate.spec.policy import Guardrail


def _phi(rates: list[float], n: int, seed: int, burst: int = 1) -> Dispersion:
    rng = np.random.default_rng(seed)
    guard = Dispersion()
    for p in rates:
        guard = guard.absorb(n, min(n, burst * int(rng.poisson(n * p / burst))))
    return guard


def test_phi_starts_at_two_and_settles_near_one_for_independent_errors() -> None:
    assert Dispersion().phi == 2.0
    assert _phi([0.01] * 19, 1000, 1).phi >= 2.0
    assert 1.0 <= _phi([0.01] * 300, 1000, 1).phi < 1.2


def test_phi_finds_bursts() -> None:
    assert _phi([0.01] * 300, 1000, 2, burst=4).phi == pytest.approx(4, rel=0.3)


def test_one_jump_of_the_worlds_error_rate_dulls_the_guard_only_a_little() -> None:
    jumped = _phi([0.01] * 60 + [0.3] * 60 + [0.01] * 60, 750, 3)
    assert jumped.phi < 3


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=50))
def test_phi_is_never_below_one_and_survives_json(batches: list[tuple[int, int]]) -> None:
    guard = Dispersion()
    for n, s in batches:
        guard = guard.absorb(n, min(n, s))
    assert guard.phi >= 1 and math.isfinite(guard.phi)
    assert Dispersion.from_doc(json.loads(json.dumps(guard.to_doc()))) == guard


def test_sample_ratio_has_a_mean_of_one_at_the_declared_share() -> None:
    mean = sum(float(binom.pmf(k, 30, 0.1)) * math.exp(SampleRatio().absorb(k, 30, 0.1).log_e) for k in range(31))
    assert mean == pytest.approx(1.0)


def test_sample_ratio_finds_a_split_that_is_not_the_declared_one_and_lets_chance_be() -> None:
    rng = np.random.default_rng(5)
    fair, unfair, silent = SampleRatio(), SampleRatio(), SampleRatio()
    for _ in range(200):
        fair = fair.absorb(int(rng.binomial(1000, 0.05)), 1000, 0.05)
        unfair = unfair.absorb(int(rng.binomial(1000, 0.04)), 1000, 0.05)
        silent = silent.absorb(int(rng.binomial(1000, 0.5)), 1000, None)
    assert not fair.mismatch and unfair.mismatch and silent == SampleRatio()
    assert SampleRatio.from_doc(json.loads(json.dumps(fair.to_doc()))) == fair


def test_the_joint_decision_is_the_weighted_mean_and_names_who_made_it() -> None:
    weights = joint.shares([1, 3])
    assert weights == (0.25, 0.75)
    assert joint.log_mean(weights, [math.log(8), math.log(4)]) == pytest.approx(math.log(5))
    assert joint.log_mean(weights, [1000.0, -math.inf]) == pytest.approx(1000 + math.log(0.25))
    assert joint.log_mean([], []) == -math.inf
    assert joint.culprits([0.5, 0.5], [math.log(150), math.log(400)], math.log(100)) == (1,)
    assert joint.culprits([0.5, 0.5], [math.log(400), math.log(900)], math.log(100)) == (1, 0)
    assert joint.culprits([0.5, 0.5], [math.log(120), math.log(110)], math.log(100)) == (0,)


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0]])
def test_weights_that_weigh_nothing_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        joint.shares(weights)


def test_bounds_of_the_record_hold_what_they_promise() -> None:
    for p in (0.001, 0.05, 0.4):
        k = np.arange(401)
        chance = binom.pmf(k, 400, p)
        wrong_above = sum(c for c, s in zip(chance, k, strict=True) if rate_upper(400, int(s), 0.01) < p)
        wrong_below = sum(c for c, s in zip(chance, k, strict=True) if rate_lower(400, int(s), 0.01) > p)
        assert wrong_above <= 0.01 and wrong_below <= 0.01
    assert rate_upper(0, 0, 0.01) == rate_upper(5, 5, 0.01) == 1.0
    assert rate_lower(400, 0, 0.01) == 0.0
    assert rate_upper(400, 20, 0.01, phi=3.0) > rate_upper(400, 20, 0.01)
    assert mean_reach(0, 0.01) == 1.0
    assert mean_reach(1000, 0.01) == pytest.approx(0.048, abs=0.001)


@pytest.mark.parametrize(
    ("rail", "baseline", "effect", "low", "high"),
    [
        ({"metric": "error_rate", "max_ratio": 1.0}, 0.01, 5.0, 100, 190),
        ({"metric": "error_rate", "max_ratio": 1.0}, 0.001, 10.0, 330, 560),
        ({"metric": "error_rate", "max_ratio": 1.0}, 0.01, 2.0, 800, 1500),
        ({"metric": "error_rate", "max": 0.05}, 0.01, 20.0, 20, 80),
        ({"metric": "latency_p95_ms", "max_increase": 0.0}, 60.0, 1.5, 40, 120),
        ({"metric": "latency_p95_ms", "max": 100.0}, 60.0, 3.0, 10, 100),
        ({"metric": "quality", "max_drop": 0.0, "source": "feedback"}, 0.9, 0.85 / 0.9, 100, 600),
    ],
)
def test_sample_sizes_are_about_what_detection_takes(
    rail: dict[str, object], baseline: float, effect: float, low: int, high: int
) -> None:
    needed = samples_needed(Guardrail.model_validate(rail), baseline, effect, 0.05, 0.05)
    assert needed is not None and low <= needed <= high


def test_an_effect_within_the_limit_is_never_found() -> None:
    assert samples_needed(Guardrail(metric="error_rate", max_ratio=2.0), 0.01, 1.9, 0.01, 0.05) is None
    assert samples_needed(Guardrail(metric="error_rate", max=0.1), 0.01, 2.0, 0.01, 0.05) is None
    assert samples_needed(Guardrail(metric="latency_p95_ms", max_ratio=1.2), 60.0, 1.1, 0.01, 0.05) is None
    assert samples_needed(Guardrail(metric="q", max_drop=0.1), 0.9, 0.95, 0.01, 0.05) is None
    assert samples_needed(Guardrail(metric="error_rate", min=0.1), 0.01, 2.0, 0.01, 0.05) is None
    assert samples_needed(Guardrail(metric="error_rate", max_ratio=1.0), 0.01, 2.0, 0.01, 1.0) is None


def test_values_and_limits_are_said_in_human_units() -> None:
    errors, p95 = Metric(Kind.ERRORS, "error_rate"), Metric(Kind.LATENCY, "latency_p95_ms", 0.95)
    quality = Metric(Kind.SCORE, "groundedness")
    assert words.name(errors) == "error rate" and words.name(p95) == "p95 latency"
    assert [words.value(errors, x) for x in (0.191, 0.012, 0.0009, 0.0, None)] == [
        "19.1 %", "1.2 %", "0.09 %", "0.0 %", "nothing",
    ]  # fmt: skip
    assert [words.value(p95, x) for x in (12.34, 999.4, 5200.0)] == ["12.3 ms", "999 ms", "5.2 s"]
    assert words.limit(Guardrail(metric="error_rate", max_ratio=2.0), errors) == "2.0x"
    assert words.limit(Guardrail(metric="latency_p95_ms", max_increase=0.1), p95) == "+10 %"
    assert words.limit(Guardrail(metric="latency_p95_ms", max=5000.0), p95) == "5 s"
    assert words.limit(Guardrail(metric="groundedness", max_drop=0.0), quality) == "no drop"
    assert words.limit(Guardrail(metric="groundedness", max_drop=0.05), quality) == "-0.05"
    assert words.odds(math.log(2_500_000)) == "odds of this by chance below 1 in 1,000,000"
    assert words.odds(math.log(100)) == "odds of this by chance below 1 in 100"
