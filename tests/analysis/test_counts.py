"""The counts e-process: identities by enumeration, then its rules."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom, nchypergeom_fisher

from tidegate.analysis.counts import CountsTest, fisher_log_lr, log_lr, odds_limit

U = np.linspace(math.log(1.05), math.log(50), 24)


@pytest.mark.parametrize(("n_c", "n_b"), [(1, 1), (3, 5), (5, 19), (7, 4)])
@pytest.mark.parametrize("side", [1, -1])
def test_the_binomial_form_has_a_mean_of_at_most_one_given_any_margins(n_c: int, n_b: int, side: int) -> None:
    for total in range(n_c + n_b + 1):
        mean = sum(
            float(hypergeom.pmf(s, n_c + n_b, n_c, total)) * np.exp(log_lr(side * U, n_c, s, n_b, total - s, 1.0))
            for s in range(max(0, total - n_b), min(n_c, total) + 1)
        )
        assert (mean <= 1 + 1e-9).all()


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("side", [1, -1])
def test_the_binomial_form_has_a_mean_of_at_most_one_over_independent_outcomes_at_any_ratio(
    ratio: float, side: int
) -> None:
    n_c, n_b, p_b = 4, 6, 0.3
    for factor in (1.0, 1 - 0.4 * side):
        p_c = min(ratio * p_b * factor, 1.0)
        mean = sum(
            float(binom.pmf(s_c, n_c, p_c) * binom.pmf(s_b, n_b, p_b))
            * np.exp(log_lr(side * U, n_c, s_c, n_b, s_b, ratio))
            for s_c, s_b in product(range(n_c + 1), range(n_b + 1))
        )
        assert (mean <= 1 + 1e-9).all()


@pytest.mark.parametrize("odds", [1.0, 2.5])
def test_the_fisher_form_has_a_mean_of_exactly_one_at_its_odds_ratio(odds: float) -> None:
    n_c, n_b = 5, 9
    for total in range(n_c + n_b + 1):
        mean = sum(
            float(nchypergeom_fisher.pmf(s, n_c + n_b, n_c, total, odds))
            * np.exp(fisher_log_lr(U, n_c, s, n_b, total - s, odds))
            for s in range(max(0, total - n_b), min(n_c, total) + 1)
        )
        assert mean == pytest.approx(np.ones(24), abs=1e-9)


def test_the_fisher_form_of_a_very_wide_batch_agrees_with_the_sum_over_its_whole_support(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = (20_000, 1_300, 190_000, 9_500)
    windowed = fisher_log_lr(U, *batch, 1.0)
    monkeypatch.setattr("tidegate.analysis.counts._WIDE", 10**9)
    assert windowed == pytest.approx(fisher_log_lr(U, *batch, 1.0), abs=1e-6)


def test_a_known_value_of_the_binomial_form() -> None:
    # n_c = n_b and r = 2: theta = 2/3 against 1/2; two candidate events and one of stable's.
    value = float(log_lr(np.array([math.log(2)]), 10, 2, 10, 1, 1.0)[0])
    assert value == pytest.approx(2 * math.log(4 / 3) + math.log(2 / 3))


def test_a_batch_in_which_one_arm_had_no_traffic_changes_nothing() -> None:
    test = CountsTest(1.0)
    assert test.absorb(0, 0, 100, 50) == test
    assert test.absorb(10, 10, 0, 0) == test


@pytest.mark.parametrize("counts", [(1, 2, 5, 0), (5, 0, 1, 2), (-1, 0, 5, 0), (5, -1, 5, 0)])
def test_events_without_requests_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="not a batch"):
        CountsTest(1.0).absorb(*counts)


def test_a_fresh_test_is_worth_one() -> None:
    assert CountsTest(1.0).log_e == pytest.approx(0.0, abs=1e-12)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.integers(1, 500), st.integers(0, 500)), max_size=8)
)
def test_more_candidate_errors_never_lower_the_evidence_and_state_survives_json(
    batches: list[tuple[int, int, int, int]],
) -> None:
    test, worse = CountsTest(1.5), CountsTest(1.5)
    for n_c, s_c, n_b, s_b in batches:
        test = test.absorb(n_c, min(s_c, n_c), n_b, min(s_b, n_b), phi=1.3)
        worse = worse.absorb(n_c, min(s_c + 1, n_c), n_b, min(s_b, n_b), phi=1.3)
    assert worse.log_e >= test.log_e - 1e-9
    assert CountsTest.from_doc(json.loads(json.dumps(test.to_doc()))) == test


def test_a_thousand_million_requests_overflow_nothing() -> None:
    for odds in (None, 1.0):
        test = CountsTest(1.0).absorb(10**8, 5 * 10**6, 9 * 10**8, 45 * 10**6, odds=odds)
        assert math.isfinite(test.log_e) and test.log_e < 3
        worse = CountsTest(1.0).absorb(10**8, 6 * 10**6, 9 * 10**8, 45 * 10**6, odds=odds)
        assert math.isfinite(worse.log_e) and worse.log_e > 1000


def test_odds_limits_stay_on_the_safe_side_of_the_rate_ratio() -> None:
    assert odds_limit(1.0, 1, 0.3) == 1.0
    assert odds_limit(3.0, -1, 0.3) == 3.0
    assert odds_limit(0.5, 1, 0.3) == 0.5
    assert odds_limit(2.0, 1, 0.25) == pytest.approx(2 * 0.75 / 0.5)
    assert odds_limit(2.0, 1, 0.5) is None
