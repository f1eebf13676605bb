"""Guardrails asked per segment, and limits on the gap between segments."""

from __future__ import annotations

import json
import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from tidegate.analysis.gap import Drift
from tidegate.analysis.judge import Analysis, absorb, begin, verdict
from tidegate.analysis.latency import histogram
from tidegate.analysis.model import Arm, Batch, Judgement, Result, Verdict
from tidegate.analysis.scopes import share
from tidegate.spec.policy import Guardrail


def rail(**fields: Any) -> Guardrail:
    return Guardrail.model_validate(fields)


EACH = rail(metric="error_rate", max_ratio=1.5, segments="each")
NAMED = rail(metric="error_rate", max_ratio=1.5, segments=["eu", "internal"])
FAIR = rail(metric="error_rate", max_gap=0.05, segments=["eu", "us"])
Rates = dict[str | None, tuple[float, float]]


class World:
    """Seeded windows in which every segment has 400 requests of each arm; rates are stable's and the candidate's."""

    def __init__(self, *rails: Guardrail, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.analysis = begin(rails, 0.99)
        self.window = self.id = 0

    def run(
        self, windows: int, rates: Rates, *, n: int = 400, share: float | None = None, scores: bool = False
    ) -> Verdict:
        for _ in range(windows):
            self.window += 1
            for segment, both in rates.items():
                self.id += 1
                stable, candidate = (self.arm(n, rate, scores) for rate in both)
                if share == 1.0:
                    stable = Arm()
                start = self.window * 10.0
                batch = Batch(self.id, start, start + 10, stable, candidate, segment, share)
                self.analysis = absorb(self.analysis, batch)
            self.analysis = Analysis.from_doc(json.loads(json.dumps(self.analysis.to_doc(), allow_nan=False)))
        return verdict(self.analysis, at=0.0)

    def arm(self, n: int, rate: float, scores: bool) -> Arm:
        if rate < 0:
            return Arm()
        if scores:
            return Arm(n, scores={"accuracy": tuple((self.rng.random(n) < rate).astype(float).tolist())})
        return Arm(n, int(self.rng.binomial(n, rate)), histogram(self.rng.lognormal(3, 0.5, n).tolist()))


def by_segment(said: Verdict) -> dict[str | None, Judgement]:
    return {part.segment: part for part in said.judgements[0].parts}


def test_a_release_that_is_bad_for_one_small_segment_only_is_found_and_the_segment_is_named() -> None:
    quiet: Rates = {None: (0.02, 0.02), "eu": (0.02, 0.15), "internal": (0.02, 0.02)}
    said = World(EACH).run(10, quiet, n=100)
    assert said.result is Result.FAIL and said.sentence.startswith("in eu: error rate ")
    assert said.culprit is not None and said.culprit.segment == "eu"
    parts = by_segment(said)
    assert list(parts) == ["the rest", "eu", "internal"]
    assert parts["eu"].result is Result.FAIL and parts["internal"].result is not Result.FAIL


def test_latencies_and_disasters_are_judged_within_a_segment_too() -> None:
    slow = rail(metric="latency_p95_ms", max_ratio=1.2, segments="each")
    burning = rail(metric="error_rate", max=0.3, immediate=True, segments=["eu"])
    world = World(slow, burning)
    said = world.run(4, {"eu": (0.01, 0.01), None: (0.01, 0.8)})
    assert said.result is not Result.FAIL and {j.segment for j in said.judgements[0].parts} == {"eu", "the rest"}
    running = Batch(99, 999.0, 1000.0, Arm(300, 2), Arm(60, 50), "eu", complete=False)
    said = verdict(world.analysis, at=0.0, now_open=(running,))
    assert said.result is Result.FAIL and said.sentence.startswith("in eu: ") and "at once" in said.sentence


def test_segments_that_nobody_asked_about_say_nothing() -> None:
    said = World(NAMED).run(30, {"eu": (0.02, 0.02), None: (0.02, 0.5)})
    assert said.result is Result.PASS and list(by_segment(said)) == ["eu"]


def test_a_segment_without_candidate_traffic_holds_nothing_up() -> None:
    said = World(EACH).run(10, {"eu": (0.02, 0.02), "internal": (0.02, -1.0)})
    assert said.result is Result.COLLECTING
    assert by_segment(said)["internal"].sentence == "in internal: no candidate requests yet"
    assert World(NAMED).run(3, {None: (0.02, 0.02)}).result is Result.NO_DATA


def test_a_small_segment_says_what_it_cannot_show() -> None:
    said = World(EACH).run(2, {"eu": (0.03, 0.03), None: (0.03, 0.03)}, n=60)
    assert "so few requests show nothing" in by_segment(said)["eu"].sentence
    said = World(EACH).run(200, {"eu": (0.05, 0.05)}, n=2000)
    assert "so few" not in by_segment(said)["eu"].sentence


def test_the_parts_of_a_guardrail_weigh_no_more_than_the_whole() -> None:
    assert sum(share(EACH, i) for i in range(10_000)) <= 1
    assert sum(share(NAMED, i) for i in range(2)) == 1
    assert World(EACH).analysis.guards[0].log_e == -math.inf


def test_without_a_difference_no_number_of_segments_makes_one() -> None:
    found = 0
    for seed in range(15):
        said = World(EACH, seed=seed).run(20, {f"s{i}": (0.05, 0.05) for i in range(6)}, n=100)
        found += said.result is Result.FAIL
    assert not found


def test_a_candidate_that_treats_two_segments_differently_fails() -> None:
    said = World(FAIR).run(40, {"eu": (0.02, 0.20), "us": (0.02, 0.02)})
    assert said.result is Result.FAIL and said.culprit is not None
    assert said.sentence.startswith("error rate ") and "higher in eu than in us" in said.sentence
    assert "limit 5.0 points between segments" in said.sentence
    assert said.culprit.effect_low is not None and said.culprit.effect_low > 0.05


def test_a_gap_that_stable_has_too_holds_and_moves_nothing() -> None:
    said = World(FAIR).run(60, {"eu": (0.25, 0.25), "us": (0.02, 0.02)})
    assert said.result is Result.BOTH_ARMS and "in both releases" in said.sentence


def test_a_gap_within_the_limit_passes_and_a_margin_is_excluded_in_time() -> None:
    fair = rail(metric="accuracy", max_gap=0.05, margin=0.12, segments="each", source="feedback")
    world = World(fair)
    rates: Rates = {"eu": (0.9, 0.9), "us": (0.88, 0.88), None: (0.9, 0.9)}
    early = world.run(3, rates, n=100, scores=True)
    assert not early.promotable and "sure to" in early.sentence
    late = world.run(60, rates, scores=True)
    assert late.result is Result.PASS and late.promotable and "a gap of 0.12 is excluded" in late.sentence


def test_a_gap_is_seen_without_stable_traffic_too() -> None:
    assert World(FAIR).run(60, {"eu": (0.0, 0.30), "us": (0.0, 0.02)}, share=1.0).result is Result.FAIL


def test_a_gap_needs_two_segments_and_says_what_it_waits_for() -> None:
    said = World(FAIR).run(5, {"eu": (0.02, 0.5)})
    assert said.result is Result.NO_DATA and "two of its segments" in said.sentence
    said = World(rail(metric="latency_p95_ms", max_gap=20, segments="each")).run(5, {"eu": (0.0, 0.0)})
    assert said.result is Result.NO_DATA and "give each segment its limit" in said.sentence


def test_at_its_limit_a_gap_has_a_mean_of_at_most_one_whatever_was_before() -> None:
    n, limit = 4, 0.2
    for before in (Drift(), Drift().absorb(0.9, 0.125).absorb(-0.2, 0.05)):
        for p in (0.2, 0.5, 1.0):
            mean = sum(
                float(binom.pmf(a, n, p) * binom.pmf(b, n, p - limit))
                * math.exp(before.absorb((a - b) / n, (1 / n + 1 / n) / 4).log_e(limit))
                for a, b in product(range(n + 1), repeat=2)
            )
            assert mean <= math.exp(before.log_e(limit)) + 1e-9


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"max_gap": 0.1}, "compares segments"),
        ({"max_gap": 0.1, "segments": ["eu"]}, "two or more"),
        ({"max": 0.1, "segments": []}, "at least 1"),
        ({"max": 0.1, "segments": ["eu", "eu"]}, "twice"),
        ({"max": 0.1, "segments": "all"}, "each"),
        ({"max": 0.1, "max_gap": 0.1, "segments": "each"}, "exactly one limit"),
    ],
)
def test_what_says_nothing_about_segments_is_refused(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        rail(metric="error_rate", **fields)


def test_scores_and_gaps_say_how_many_more_would_decide_and_it_is_about_right() -> None:
    quality = rail(metric="accuracy", max_drop=0.0, source="feedback")
    gap = rail(metric="accuracy", max_gap=0.05, segments=["eu", "us"], source="feedback")
    regional: Rates = {"eu": (0.9, 0.9), "us": (0.9, 0.80)}
    for guardrail, rates, windows in ((quality, {"eu": (0.9, 0.84)}, 7), (gap, regional, 4)):
        world = World(guardrail, seed=5)
        said = world.run(windows, rates, n=100, scores=True)
        early, needed = said.candidate_requests, said.judgements[0].needed
        assert needed is not None and f"about {needed:,} more would decide" in said.sentence
        while said.result is not Result.FAIL:
            said = world.run(1, rates, n=100, scores=True)
        assert needed / 6 <= said.candidate_requests - early <= 6 * needed
    good = rail(metric="accuracy", max_drop=0.0, margin=0.05, source="feedback")
    said = World(good).run(2, {"eu": (0.9, 0.9)}, n=50, scores=True)
    assert said.judgements[0].needed is not None
