"""Published values: confseq's own tests (uniform_boundaries_unittest.cpp, `EXPECT_NEAR` to 1e-5), and others by source."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta

from tidegate.analysis import boundaries as b
from tidegate.analysis.counts import log_lr

V = {"v_opt": 100.0, "alpha_opt": 0.05}


def test_the_normal_mixtures_have_confseqs_values() -> None:
    assert b.normal_rho(100, 0.05) == pytest.approx(12.60056, abs=1e-5)
    assert b.normal_log_mixture(10, 100, **V, one_sided=False) == pytest.approx(-0.6510052, abs=1e-5)
    assert b.normal_mixture_bound(100, 0.05, **V, one_sided=False) == pytest.approx(30.35209, abs=1e-5)
    assert b.normal_log_mixture(10, 100, **V) == pytest.approx(-0.06502391, abs=1e-5)
    assert b.normal_mixture_bound(100, 0.05, **V) == pytest.approx(27.66071, abs=1e-5)


def test_the_gamma_mixtures_have_confseqs_values() -> None:
    assert b.gamma_exponential_log_mixture(10, 100, c=2, **V) == pytest.approx(-0.2490165, abs=1e-5)
    assert b.gamma_exponential_mixture_bound(100, 0.05, c=2, **V) == pytest.approx(33.02017, abs=1e-5)
    assert b.gamma_poisson_log_mixture(10, 100, c=2, **V) == pytest.approx(-0.06991219, abs=1e-5)
    assert b.gamma_poisson_mixture_bound(100, 0.05, c=2, **V) == pytest.approx(30.1949, abs=1e-4)


def test_the_beta_binomial_mixtures_have_confseqs_values() -> None:
    gh = {"g": 0.2, "h": 0.8}
    assert b.beta_binomial_log_mixture(10, 100, **V, **gh, one_sided=False) == pytest.approx(-0.6941012, abs=1e-5)
    assert b.beta_binomial_mixture_bound(100, 0.05, **V, **gh, one_sided=False) == pytest.approx(31.4308, abs=1e-4)
    assert b.beta_binomial_log_mixture(10, 100, **V, **gh) == pytest.approx(-0.07134019, abs=1e-5)
    assert b.beta_binomial_mixture_bound(100, 0.05, **V, **gh) == pytest.approx(28.41238, abs=1e-5)


def test_the_stitched_and_quantile_boundaries_have_confseqs_values() -> None:
    assert b.poly_stitching_bound(100, 0.05, 10, 3, 1.4, 2) == pytest.approx(64.48755, abs=1e-5)
    assert b.poly_stitching_bound(100, 0.05, 10, -1, 1.4, 2) == pytest.approx(28.99389, abs=1e-5)
    assert b.empirical_process_lil_bound(1000, 0.05, 100, 0.85) == pytest.approx(0.08204769, abs=1e-5)
    assert b.empirical_process_lil_bound(99, 0.05, 100) == math.inf
    for p, value in ((0.5, 68.62803), (0.9, 43.72119), (0.1, 59.96521)):
        assert b.double_stitching_bound(p, 1000, 0.05, 100) == pytest.approx(value, abs=1e-5)


def test_every_boundary_is_where_its_mixture_reaches_one_over_alpha() -> None:
    s = b.gamma_exponential_mixture_bound(40, 0.01, 40, 1)
    assert b.gamma_exponential_log_mixture(s, 40, 40, 1) == pytest.approx(math.log(100))
    s = b.gamma_poisson_mixture_bound(40, 0.01, 40, 1)
    assert b.gamma_poisson_log_mixture(s, 40, 40, 1) == pytest.approx(math.log(100))
    assert b.beta_binomial_mixture_bound(0.1, 0.01, 5, 0.5, 0.5) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "call",
    [
        lambda: b.normal_rho(0), lambda: b.normal_rho(1, 1.0), lambda: b.poly_stitching_bound(1, 0.05, 0),
        lambda: b.double_stitching_bound(1.0, 10, 0.05, 10), lambda: b.empirical_process_lil_bound(10, 0.05, 1, 0.7),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"must be|lies"):
        call()  # type: ignore[operator]  # each of the list is a call


def test_lindon_and_maleks_canary_example_is_found_where_their_test_finds_it() -> None:
    """The canary example of their section 6 as the package savvi publishes it: allocation 0.8 to 0.2, log intensities 1.5
    and 2, numpy's seed 1: sequential p 0.04675270375081281 after 168 events. Our likelihood ratios, integrated over the
    paper's Dirichlet prior (100 times the allocation), give the same."""
    draws = np.random.RandomState(1)
    draws.multinomial(1, [0.1, 0.3, 0.6], size=1000)
    conversion = np.array([0.1, 0.3, 0.6]) * np.array([0.2, 0.3, 0.4])
    draws.multinomial(1, conversion / conversion.sum(), size=5250)
    allocation = np.array([0.8, 0.2])
    theta = allocation * np.exp([1.5, 2.0])
    events = np.cumsum(draws.multinomial(1, theta / theta.sum(), size=1500), axis=0)
    shares = np.linspace(0.0005, 0.9995, 20_001)
    u = np.log(shares / (1 - shares)) - math.log(0.2 / 0.8)
    prior = beta.pdf(shares, 20, 80)

    def p(n: int) -> float:
        stable, candidate = (int(x) for x in events[n - 1])
        ratios = np.exp(log_lr(u, 20, candidate, 80, stable, 1.0))
        return 1 / float(np.trapezoid(ratios * prior, shares))

    assert p(168) == pytest.approx(0.04675270375081281, rel=1e-6)
    assert min(p(n) for n in range(1, 168)) > 0.05


def test_the_batchwise_form_with_one_allocation_is_their_multinomial_test_of_all_events() -> None:
    u, batches = np.array([0.3, 1.1]), ((4, 1), (0, 3), (7, 2))
    whole = sum((log_lr(u, 30, s_c, 70, s_b, 1.0) for s_c, s_b in batches), np.zeros(2))
    theta = 30 * np.exp(u) / (30 * np.exp(u) + 70)
    candidate, stable = (sum(column) for column in zip(*batches, strict=True))
    assert whole == pytest.approx(candidate * np.log(theta / 0.3) + stable * np.log((1 - theta) / 0.7))
