"""Betting on scores: the factor's mean by enumeration, the shared-mean trap, invalid outputs."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.analysis.scores import Line, ScoresTest, group_means, line, valid

LIMITS = [
    ("max_drop", 0.05),
    ("min_ratio", 0.9),
    ("max_increase", 0.05),
    ("max_ratio", 1.2),
    ("max", 0.3),
    ("min", 0.6),
]


def _mean(test: ScoresTest, stable: dict[float, float], candidate: dict[float, float], n_b: int, n_c: int) -> float:
    """The mean of E after one batch of independent scores from two distributions on a few points, by enumeration."""
    total = 0.0
    for b in product(stable, repeat=n_b):
        for c in product(candidate, repeat=n_c):
            chance = math.prod(stable[x] for x in b) * math.prod(candidate[x] for x in c)
            total += chance * math.exp(test.absorb(np.array(b), np.array(c)).log_e)
    return total


@pytest.mark.parametrize(
    ("name", "limit", "b", "c"),
    [
        ("max_drop", 0.25, 0.75, 0.5),
        ("min_ratio", 0.8, 0.5, 0.4),
        ("max_increase", 0.25, 0.25, 0.5),
        ("max_ratio", 1.5, 0.4, 0.6),
        ("max", 0.3, 0.9, 0.3),
        ("min", 0.6, 0.1, 0.6),
    ],
)
@pytest.mark.parametrize(("n_b", "n_c"), [(3, 1), (3, 2), (1, 3)])
def test_at_the_limit_the_evidence_has_a_mean_of_one(
    name: str, limit: float, b: float, c: float, n_b: int, n_c: int
) -> None:
    stable, candidate = {0.0: 1 - b, 1.0: b}, {0.0: 1 - c, 1.0: c}
    assert _mean(ScoresTest(line(name, limit)), stable, candidate, n_b, n_c) == pytest.approx(1.0)
    assert _mean(ScoresTest(line(name, limit).flipped()), stable, candidate, n_b, n_c) == pytest.approx(1.0)


def test_one_baseline_mean_shared_by_all_candidates_would_break_the_guarantee() -> None:
    bet, b, c = 0.95, 0.5, 0.5
    shared = 0.0
    for x in product((0.0, 1.0), repeat=1):
        for y in product((0.0, 1.0), repeat=3):
            chance = math.prod(b if v else 1 - b for v in x) * math.prod(c if v else 1 - c for v in y)
            shared += chance * math.prod(1 + bet * (sum(x) / len(x) - v) for v in y)
    assert shared > 1.1
    test = ScoresTest(line("max_drop", 0.0))
    assert _mean(test, {0.0: 0.5, 1.0: 0.5}, {0.0: 0.5, 1.0: 0.5}, 1, 3) == pytest.approx(1.0)


@pytest.mark.parametrize(("name", "limit"), LIMITS)
def test_no_single_outcome_can_take_more_than_the_bets_allow(name: str, limit: float) -> None:
    for claim in (line(name, limit), line(name, limit).flipped()):
        for b, c in product((0.0, 1.0), repeat=2):
            stable = np.array([b] if claim.slope else [0.0])
            assert float(claim.value(stable, np.array([c]))[0]) >= -claim.depth - 1e-12
            assert math.isfinite(ScoresTest(claim).absorb(np.array([b]), np.array([c])).log_e)


def test_groups_are_disjoint_and_use_every_score_once() -> None:
    stable, candidate = group_means(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([1.0, 0.0]))
    assert stable == pytest.approx([0.3, 0.3])
    assert candidate.tolist() == [1.0, 0.0]


def test_scores_out_of_bounds_or_not_numbers_are_not_scores() -> None:
    assert valid((0.0, 1.0, -0.1, 1.1, math.nan, math.inf, 0.5)).tolist() == [0.0, 1.0, 0.5]


@given(st.lists(st.tuples(st.lists(st.floats(0, 1), max_size=5), st.lists(st.floats(0, 1), max_size=5)), max_size=5))
def test_state_survives_json_bit_by_bit(batches: list[tuple[list[float], list[float]]]) -> None:
    test = ScoresTest(Line(1.0, -0.02, -1.0))
    for stable, candidate in batches:
        test = test.absorb(np.array(stable), np.array(candidate))
    assert ScoresTest.from_doc(json.loads(json.dumps(test.to_doc()))) == test
