"""The one-arm test against its defining integral, by enumeration, and at the far ends."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom

from tidegate.analysis.onearm import OneArm, log_e


@pytest.mark.parametrize(("n", "k", "q"), [(0, 0, 0.1), (10, 3, 0.1), (100, 3, 0.1), (300, 60, 0.1), (50, 50, 0.5)])
def test_it_is_the_truncated_beta_mixture_of_likelihood_ratios(n: int, k: int, q: float) -> None:
    a, b = 20 * q, 20 * (1 - q)

    def weight(p: float) -> float:
        return float(p ** (a - 1) * (1 - p) ** (b - 1))

    def ratio(p: float) -> float:
        return float((p / q) ** k * ((1 - p) / (1 - q)) ** (n - k) * weight(p))

    want = quad(ratio, q, 1, epsabs=0, limit=200)[0] / quad(weight, q, 1, epsabs=0, limit=200)[0]
    assert math.exp(log_e(n, k, q)) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("q", [0.01, 0.1, 0.5])
def test_its_mean_is_at_most_one_within_the_limit_on_both_sides(q: float) -> None:
    n = 40
    for p in (q, q / 2):
        mean = sum(float(binom.pmf(k, n, p)) * math.exp(OneArm(q).absorb(n, k).log_e) for k in range(n + 1))
        assert mean <= 1 + 1e-9
    for p in (q, (1 + q) / 2):
        mean = sum(float(binom.pmf(k, n, p)) * math.exp(OneArm(q, -1).absorb(n, k).log_e) for k in range(n + 1))
        assert mean <= 1 + 1e-9


def test_unguarded_steps_add_up_to_the_whole() -> None:
    test = OneArm(0.05)
    for n, k in ((10, 1), (20, 5), (7, 0)):
        test = test.absorb(n, k)
    assert test.log_e == pytest.approx(log_e(37, 6, 0.05))


@example(268_435_456, 0.0, 1e-9)
@given(st.integers(1, 10**9), st.floats(0, 1), st.sampled_from([1e-9, 0.001, 0.03, 0.2, 0.5, 0.999]))
def test_it_stays_finite_up_to_a_thousand_million_requests(n: int, share: float, q: float) -> None:
    k = round(n * share)
    for side in (1, -1):
        assert math.isfinite(OneArm(q, side).absorb(n, k).log_e)


@given(st.integers(1, 10**6), st.floats(0, 0.99), st.sampled_from([0.001, 0.03, 0.2, 0.5]))
def test_one_more_event_never_lowers_it(n: int, share: float, q: float) -> None:
    k = int(n * share)
    assert log_e(n, k + 1, q) >= log_e(n, k, q)


def test_far_in_the_tail_it_continues_without_a_jump() -> None:
    values = [log_e(n, 0, 0.1) for n in range(5500, 7500, 50)]
    steps = [b - a for a, b in pairwise(values)]
    assert all(-0.2 < step < 0 for step in steps)


def test_its_state_survives_json_bit_by_bit() -> None:
    test = OneArm(0.07, -1).absorb(1000, 3, phi=1.7).absorb(10, 3, phi=1.2)
    assert OneArm.from_doc(json.loads(json.dumps(test.to_doc()))) == test


def test_events_without_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="not a batch"):
        OneArm(0.1).absorb(1, 2)
