"""Later starts and the guard against bursts: the guarantee by enumeration, and what they are for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from tidegate.analysis.counts import CountsTest
from tidegate.analysis.dispersion import Dispersion, reach
from tidegate.analysis.judge import Analysis, absorb, begin, verdict
from tidegate.analysis.model import Arm, Batch, Result
from tidegate.analysis.onearm import OneArm
from tidegate.analysis.restarts import LOG_FIRST, SHARE, log_weight, unspent
from tidegate.analysis.scores import ScoresTest, line
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.policy import Guardrail


def test_the_weights_of_all_starts_sum_to_one_however_the_requests_are_cut_into_batches() -> None:
    rng = np.random.default_rng(1)
    for largest in (3, 1000, 10**7):
        n, given = 0.0, math.exp(LOG_FIRST)
        for more in rng.integers(1, largest + 1, 300):
            given += math.exp(log_weight(n, int(more)))
            n += int(more)
        assert given + unspent(n) == pytest.approx(1.0, abs=1e-12)
    assert unspent(0) == SHARE and 0 < unspent(1e12) < SHARE


SMALL = ((3, 5), (1, 4), (4, 2))
Absorb = Callable[[CountsTest, int, int, int, int], CountsTest]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("ratio", "p_b"), [(1.0, 0.3), (2.0, 0.2), (0.5, 0.4)])
def test_at_the_limit_the_counts_test_has_a_mean_of_at_most_one_after_every_batch_whatever_happened_before(
    side: int, ratio: float, p_b: float
) -> None:
    def mean(test: CountsTest, batch: tuple[int, int]) -> float:
        n_c, n_b = batch
        return sum(
            float(binom.pmf(s_c, n_c, ratio * p_b) * binom.pmf(s_b, n_b, p_b))
            * math.exp(test.absorb(n_c, s_c, n_b, s_b).log_e)
            for s_c, s_b in product(range(n_c + 1), range(n_b + 1))
        )

    fresh = CountsTest(ratio, side, renews=True)
    assert mean(fresh, SMALL[0]) <= 1 + 1e-12
    for s_c, s_b in product(range(4), range(6)):
        after = fresh.absorb(3, s_c, 5, s_b)
        assert mean(after, SMALL[1]) <= math.exp(after.log_e) + 1e-12
    late = fresh.absorb(3, 3, 5, 0).absorb(1, 0, 4, 4)
    assert mean(late, SMALL[2]) <= math.exp(late.log_e) + 1e-12


@pytest.mark.parametrize("side", [1, -1])
def test_the_one_arm_test_and_the_bets_on_scores_are_fair_bets_after_every_batch_too(side: int) -> None:
    q = 0.3
    arm = OneArm(q, side, renews=True)
    for n, k in ((0, 0), (7, 2), (30, 20), (30, 1)):
        before = arm.absorb(n, k)
        mean = sum(float(binom.pmf(k, 6, q)) * math.exp(before.absorb(6, k).log_e) for k in range(7))
        assert mean == pytest.approx(math.exp(before.log_e))
    claim = line("max_drop", 0.25)
    bets = ScoresTest(claim if side > 0 else claim.flipped(), renews=True)
    none = np.zeros(0)
    for before_scores in (none, np.array([1.0, 0.0]), np.array([1.0] * 9)):
        test = bets.absorb(before_scores, 1 - before_scores)
        mean = sum(
            (0.75 if b else 0.25) * 0.5 * math.exp(test.absorb(np.array([b]), np.array([c])).log_e)
            for b, c in product((0.0, 1.0), repeat=2)
        )
        assert mean == pytest.approx(math.exp(test.log_e))


RATIO = Guardrail(metric="error_rate", max_ratio=1.0)


def _requests_to_fail(guardrail: Guardrail, good: int, arm: Callable[[np.random.Generator, bool], Arm]) -> float:
    """Median of candidate requests after the good time (200 a batch of 400) until the verdict is `fail`."""
    taken = []
    for seed in range(9):
        rng, analysis = np.random.default_rng((7, seed)), begin((guardrail,), 0.99)
        for i in range(good + 200):
            batch = Batch(i, i * 10.0, i * 10.0 + 10, arm(rng, False), arm(rng, i >= good), None, 0.5)
            analysis = absorb(analysis, batch)
            if analysis.failed:
                break
        assert i >= good
        taken.append(200 * (i + 1 - good))
    return float(np.median(taken))


def test_a_candidate_that_turns_bad_after_a_long_good_time_is_found_about_as_soon_as_a_fresh_one() -> None:
    def errors(rng: np.random.Generator, bad: bool) -> Arm:
        return Arm(200, int(rng.binomial(200, 0.05 if bad else 0.01)))

    def scores(rng: np.random.Generator, bad: bool) -> Arm:
        return Arm(200, scores={"q": tuple((rng.random(200) < (0.8 if bad else 0.9)).astype(float).tolist())})

    quality = Guardrail(metric="q", max_drop=0.0, source="feedback")
    absolute = Guardrail(metric="error_rate", max=0.02)
    for guardrail, arm in ((RATIO, errors), (absolute, errors), (quality, scores)):
        fresh, late = (_requests_to_fail(guardrail, good, arm) for good in (0, 150))
        assert late <= max(1.5 * fresh, fresh + 600)


def test_no_larger_effect_is_bet_on_than_bursts_of_that_dispersion_bear() -> None:
    """For geometric bursts of mean m: `E[exp(u L/phi)]` exists, and is not far from that of single events."""
    assert reach(1.0) == math.inf
    for m in (1.2, 2.0, 3.0, 10.0):
        phi = 2 * m - 1
        for u in np.linspace(0.01, min(reach(phi), 3.9), 50):
            x = math.exp(u / phi)
            assert x * (1 - 1 / m) < 1
            burst = x / m / (1 - (1 - 1 / m) * x)
            assert (burst - 1) / m <= (math.exp(u) - 1) / phi * 1.75


def test_few_events_say_little_about_bursts_and_many_say_all() -> None:
    rng = np.random.default_rng(2)
    few, many = Dispersion(), Dispersion()
    for i in range(400):
        events = 3 * int(rng.poisson(1.0))
        many = many.absorb(300, events)
        few = many if i == 24 else few
    assert few.phi > 3 and many.phi == pytest.approx(3.3, rel=0.25)
    assert Dispersion.from_doc(json.loads(json.dumps(many.to_doc()))) == many


def _first_format(analysis: Analysis) -> dict[str, object]:
    """What version 1 wrote: no later starts, the one-arm test's log E by its name, fewer fields."""
    doc = json.loads(json.dumps(analysis.to_doc()))
    doc["version"] = 1
    for guard in doc["guards"]:
        del guard["counts"]
        fall = guard["fall"]
        for name in ("concurrent", "companion", "together", "solo"):
            test = fall.get(name)
            if test:
                del test["renews"]
                if "whole" in test:
                    test["log_e"] = test.pop("whole")
                    del test["logs"]
        for _, strand in fall["strands"]:
            del strand["phi"]["events"]
    return doc  # type: ignore[no-any-return]  # json


def test_an_analysis_that_the_version_before_began_goes_on_without_losing_anything() -> None:
    rails = (RATIO, Guardrail(metric="error_rate", max=0.1))
    analysis = begin(rails, 0.99)
    for i in range(5):
        analysis = absorb(analysis, Batch(i, i * 10.0, i * 10.0 + 10, Arm(900, 9), Arm(100, 2)))
    old = Analysis.from_doc(_first_format(analysis))
    assert old.n_c == analysis.n_c and verdict(old, at=1.0).result is verdict(analysis, at=1.0).result
    for i in range(5, 15):
        old = absorb(old, Batch(i, i * 10.0, i * 10.0 + 10, Arm(900, 9), Arm(100, 30)))
        old = Analysis.from_doc(json.loads(json.dumps(old.to_doc())))
    assert verdict(old, at=1.0).result is Result.FAIL


def test_an_analysis_of_a_newer_version_is_refused() -> None:
    with pytest.raises(NeedsPerson, match="this Tidegate knows"):
        Analysis.from_doc({**begin((RATIO,), 0.99).to_doc(), "version": 99})
