"""Confidence sequences: what they cover, what they were turned round from, and their ends."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from tidegate.analysis.counts import GRID, LOG_W, log_lr
from tidegate.analysis.effects import Effect, latencies
from tidegate.analysis.intervals import MeanSequence, quantile_interval, rate_interval
from tidegate.analysis.judge import absorb, begin, verdict
from tidegate.analysis.latency import add, histogram
from tidegate.analysis.metrics import Kind, Metric
from tidegate.analysis.model import Arm, Batch
from tidegate.analysis.ratio import RatioSequence
from tidegate.spec.policy import Guardrail

Batches = list[tuple[int, int, int, int]]


def _missed(runs: int, run: Callable[[np.random.Generator], bool]) -> float:
    """The share of seeded runs in which a sequence of 95 % did not hold the truth at some time."""
    return sum(run(np.random.default_rng((3, seed))) for seed in range(runs)) / runs


def test_a_rates_sequence_holds_the_truth_at_all_times_together() -> None:
    def run(rng: np.random.Generator) -> bool:
        n = k = 0
        for _ in range(40):
            n, k = n + 50, k + int(rng.binomial(50, 0.04))
            low, high = rate_interval(n, k, 0.05)
            if not low <= 0.04 <= high:
                return True
        return False

    assert _missed(60, run) <= 0.06


def test_a_ratios_sequence_holds_the_truth_while_the_weight_ramps_and_the_rates_drift() -> None:
    def run(rng: np.random.Generator) -> bool:
        seen = RatioSequence()
        for i in range(60):
            n_c = int(rng.binomial(400, (0.05, 0.25, 0.5)[i // 20]))
            p = 0.01 * 4 ** (i / 60)
            seen = seen.absorb(n_c, int(rng.binomial(n_c, 2 * p)), 400 - n_c, int(rng.binomial(400 - n_c, p)))
        low, high = seen.interval(0.05)
        return not (low <= 2 and (high is None or high >= 2))

    assert _missed(60, run) <= 0.06


def test_a_quantiles_and_a_means_sequences_hold_the_truth() -> None:
    def run(rng: np.random.Generator) -> bool:
        cells: tuple[int, ...] = ()
        mean = MeanSequence()
        for _ in range(20):
            cells = add(cells, histogram(rng.lognormal(3, 0.5, 100).tolist()))
            low, high = quantile_interval(cells, 0.95, 0.05)
            mean = mean.absorb(rng.beta(9, 1, 60))
            ends = mean.interval(0.05)
            true = math.exp(3 + 0.5 * 1.6449)
            if not (low <= true and (high is None or true <= high)) or not ends[0] <= 0.9 <= ends[1]:
                return True
        return False

    assert _missed(30, run) <= 0.07


def test_the_sequences_narrow_to_the_truth() -> None:
    low, high = rate_interval(10**9, 10**7, 0.01)
    assert 0.0099 < low < 0.01 < high < 0.0101
    seen = RatioSequence()
    for _ in range(200):
        seen = seen.absorb(5000, 100, 5000, 50)
    ends = seen.interval(0.01)
    assert 1.9 < ends[0] < 2 and ends[1] is not None and 2 < ends[1] < 2.15
    lower, upper = quantile_interval(histogram(np.linspace(1, 1000, 100_000).tolist()), 0.5, 0.01)
    assert upper is not None and 480 < lower < 500 < upper < 520


def test_without_data_nothing_is_excluded() -> None:
    assert rate_interval(0, 0, 0.05) == (0.0, 1.0)
    assert RatioSequence().interval(0.05) == (0.0, None)
    assert RatioSequence().absorb(0, 0, 5, 1) == RatioSequence().absorb(5, 0, 5, 0) == RatioSequence()
    assert quantile_interval((), 0.95, 0.05) == (0.0, None)
    assert MeanSequence().absorb(np.zeros(0)).interval(0.05) == (0.0, 1.0)
    assert rate_interval(5, 0, 0.05)[0] == 0.0 and rate_interval(5, 5, 0.05)[1] == 1.0
    assert quantile_interval(histogram([3.0] * 5), 0.99, 0.05)[1] is None


sizes = st.integers(1, 60)
some_batches = st.lists(st.tuples(sizes, st.integers(0, 9), sizes, st.integers(0, 9)), min_size=1, max_size=12)


@given(some_batches, st.floats(-2, 2), st.sampled_from([1, -1]))
def test_what_is_kept_of_the_batches_never_claims_more_than_the_batches_do(
    batches: Batches, log_ratio: float, side: int
) -> None:
    seen, exact = RatioSequence(), np.zeros(len(GRID))
    for n_c, s_c, n_b, s_b in batches:
        s_c, s_b = min(s_c, n_c), min(s_b, n_b)
        seen = seen.absorb(n_c, s_c, n_b, s_b)
        exact = exact + log_lr(side * GRID, n_c, s_c, n_b, s_b, math.exp(log_ratio))
    assert seen.log_e(log_ratio, side) <= float(logsumexp(exact + LOG_W)) + 1e-9
    assert RatioSequence.from_doc(json.loads(json.dumps(seen.to_doc()))) == seen


@given(some_batches)
def test_the_ends_are_in_order_and_hold_at_any_extremes(batches: Batches) -> None:
    seen = RatioSequence()
    for n_c, s_c, n_b, s_b in batches:
        seen = seen.absorb(n_c * 10**6, min(s_c, n_c) * 10**5, n_b, min(s_b, n_b))
    low, high = seen.interval(0.05)
    assert 0 <= low < math.inf and (high is None or low <= high)


def test_bursts_widen_the_ratios_sequence() -> None:
    calm = burst = RatioSequence()
    for _ in range(30):
        calm, burst = calm.absorb(100, 6, 100, 3), burst.absorb(100, 6, 100, 3, phi=3.0)
    assert burst.interval(0.05)[0] < calm.interval(0.05)[0]


def test_every_kind_of_guardrail_shows_its_effect_in_its_own_unit() -> None:
    rails = [
        {"metric": "error_rate", "max_ratio": 5.0}, {"metric": "error_rate", "max": 0.5},
        {"metric": "latency_p95_ms", "max_ratio": 3.0}, {"metric": "latency_p95_ms", "max": 5000},
        {"metric": "stars", "max_drop": 3.0, "bounds": [1, 5], "source": "feedback"},
        {"metric": "stars", "min": 1.1, "bounds": [1, 5], "source": "feedback"},
    ]  # fmt: skip
    analysis = begin(tuple(Guardrail.model_validate(rail) for rail in rails), 0.99)
    rng = np.random.default_rng(4)
    for i in range(60):
        arms = [
            Arm(500, int(rng.binomial(500, p)), histogram(rng.lognormal(m, 0.4, 500).tolist()), {"stars": stars})
            for p, m, stars in ((0.02, 3.0, (5.0, 4.0) * 20), (0.04, 3.2, (3.0, 4.0) * 20))
        ]
        analysis = absorb(analysis, Batch(i, i * 10.0, i * 10.0 + 10, *arms))
    judged = verdict(analysis, at=0.0).judgements
    kinds = ["ratio", "value", "ratio", "value", "difference", "value"]
    for one, kind, true in zip(judged, kinds, (2.0, 0.04, math.exp(0.2), None, -1.0, 3.5), strict=True):
        assert one.effect_kind == kind and one.effect is not None
        assert one.effect_low is not None and one.effect_high is not None and one.observed_low is not None
        assert one.effect_low <= one.effect <= one.effect_high
        assert true is None or one.effect_low <= true <= one.effect_high
        assert one.p is not None and 0 < one.p <= 1
        assert one.observed is not None and one.observed_low <= one.observed
    assert verdict(begin((Guardrail(metric="error_rate", max=0.1),), 0.99), at=0.0).judgements[0].effect is None


def test_the_anytime_p_is_one_over_the_largest_evidence_so_far() -> None:
    analysis, best = begin((Guardrail(metric="error_rate", max_ratio=1.0),), 0.99), 1.0
    for i, errors in enumerate((3, 9, 8, 0, 0, 0, 0)):
        analysis = absorb(analysis, Batch(i, i * 10.0, i * 10.0 + 10, Arm(300, 6), Arm(100, errors)))
        [one] = verdict(analysis, at=0.0).judgements
        best = max(best, one.e)
        assert one.p == pytest.approx(1 / best)
    assert one.e < best


def test_what_a_latency_or_a_score_without_values_shows_is_nothing() -> None:
    assert latencies(((), ()), 0.95, 0.05, relative=True).effect is None
    one_arm = latencies((histogram([5.0] * 200), ()), 0.95, 0.05, relative=True)
    assert one_arm.observed_low is not None and one_arm.effect is None
    score = Metric(Kind.SCORE, "q")
    alone = Effect().absorb(score, Batch(1, 0, 1, Arm(), Arm(5, scores={"q": (1.0,) * 5})), 1.0)
    assert alone.scores(score, 0.05, relative=True).kind is None
    assert Effect().scores(score, 0.05, relative=True) == Effect().rates((0, 0), 0.05, 1.0, None, relative=True)
