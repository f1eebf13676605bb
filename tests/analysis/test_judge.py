"""The judge as the rollout sees it: batches in, verdicts and sentences out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.analysis.judge import Analysis, absorb, begin, verdict
from tidegate.analysis.latency import histogram
from tidegate.analysis.model import Arm, Batch, Result, Verdict
from tidegate.spec.policy import Guardrail

RNG = np.random.default_rng


def rail(**fields: Any) -> Guardrail:
    return Guardrail.model_validate(fields)


RATIO = rail(metric="error_rate", max_ratio=1.0, margin=3.0)
ABSOLUTE = rail(metric="error_rate", max=0.10)
P95 = rail(metric="latency_p95_ms", max_increase="10%", margin="50%")
QUALITY = rail(metric="groundedness", max_drop=0.0, margin=0.05, source="feedback")


class World:
    """Seeded traffic: 1,000 requests a batch of 10 s, shared between the arms."""

    def __init__(self, *rails: Guardrail, seed: int = 1, attempt: int = 0, confidence: float = 0.99) -> None:
        self.rng = RNG(seed)
        self.analysis = begin(rails, confidence, attempt=attempt)
        self.id = 0

    def arm(self, n: int, error: float, slow: float, quality: float | None) -> Arm:
        cells = histogram((self.rng.lognormal(3, 0.5, n) * slow).tolist())
        scores = (
            {} if quality is None else {"groundedness": tuple((self.rng.random(n) < quality).astype(float).tolist())}
        )
        return Arm(n, int(self.rng.binomial(n, error)), cells, scores)

    def batch(
        self, share: float, stable: float = 0.01, candidate: float = 0.01, *, n: int = 1000, slow: float = 1.0,
        quality: tuple[float, float] | None = None, segment: str | None = None, complete: bool = True,
        declared: float | None = None,
    ) -> Batch:  # fmt: skip
        n_c = int(self.rng.binomial(n, share))
        self.id += 1
        good, new = quality or (None, None)
        return Batch(
            self.id, self.id * 10.0, self.id * 10.0 + 10, self.arm(n - n_c, stable, 1.0, good),
            self.arm(n_c, candidate, slow, new), segment, declared, complete,
        )  # fmt: skip

    def run(self, batches: int, share: float, *args: float, **more: Any) -> Verdict:
        for _ in range(batches):
            self.analysis = absorb(self.analysis, self.batch(share, *args, **more))
        return self.said

    @property
    def said(self) -> Verdict:
        return verdict(self.analysis, at=self.id * 10.0 + 10)


def test_a_candidate_with_many_more_errors_fails_and_the_sentence_says_why() -> None:
    said = World(RATIO).run(8, 0.05, 0.01, 0.2)
    assert said.result is Result.FAIL and not said.promotable
    assert said.culprit is not None and said.culprit.metric == "error_rate" and said.culprit.e >= 100
    assert said.sentence == said.culprit.sentence
    assert said.sentence.startswith("error rate ") and "% against" in said.sentence and "limit 1.0x" in said.sentence
    assert "odds of this by chance below 1 in" in said.sentence and "candidate requests" in said.sentence


def test_a_failure_is_final() -> None:
    world = World(RATIO)
    failed = world.run(8, 0.05, 0.01, 0.2)
    assert world.run(50, 0.05, 0.01, 0.0).sentence == failed.sentence
    assert world.said.result is Result.FAIL


def test_a_candidate_as_good_as_stable_passes_once_every_margin_is_excluded() -> None:
    world = World(RATIO, P95)
    early = world.run(2, 0.05)
    assert early.result is Result.COLLECTING and not early.promotable
    late = world.run(100, 0.25)
    assert late.result is Result.PASS and late.promotable
    assert all(j.excluded for j in late.judgements)
    assert "3.0x is excluded" in late.sentence


def test_slower_answers_fail_although_no_request_does() -> None:
    said = World(RATIO, P95).run(20, 0.1, 0.01, 0.01, slow=1.6)
    assert said.result is Result.FAIL
    assert said.culprit is not None and said.culprit.metric == "latency_p95_ms"
    assert "ms against" in said.sentence and "limit +10 %" in said.sentence


def test_an_increase_within_the_limit_is_no_failure() -> None:
    said = World(rail(metric="latency_p95_ms", max_increase="50%")).run(60, 0.25, 0.01, 0.01, slow=1.3)
    assert said.result is Result.PASS


def test_worse_scores_fail_and_equal_ones_pass() -> None:
    assert World(QUALITY).run(10, 0.5, quality=(0.9, 0.7)).result is Result.FAIL
    assert World(QUALITY).run(20, 0.5, quality=(0.9, 0.9)).promotable


def test_nan_never_passes() -> None:
    world = World(QUALITY)
    nan = tuple([math.nan] * 200)
    good = tuple([1.0] * 200)
    for i in range(100):
        batch = Batch(
            i, i * 10.0, i * 10.0 + 10, Arm(200, 0, (), {"groundedness": good}), Arm(200, 0, (), {"groundedness": nan})
        )
        world.analysis = absorb(world.analysis, batch)
    said = verdict(world.analysis, at=0.0)
    assert not said.promotable and said.result is not Result.PASS
    assert "20,000 invalid outputs" in said.judgements[0].sentence


def test_a_metric_without_data_is_never_passed_however_good_the_others() -> None:
    said = World(RATIO, QUALITY).run(60, 0.5)
    assert said.result is Result.NO_DATA and not said.promotable
    assert said.sentence == "groundedness: no data from feedback yet"


def test_a_metric_whose_source_died_is_no_data_again() -> None:
    world = World(rail(metric="groundedness", max_drop=0.1, source="feedback"))
    assert world.run(5, 0.5, quality=(0.9, 0.9)).result is Result.PASS
    said = world.run(60, 0.5)
    assert (said.result, said.sentence) == (Result.NO_DATA, "groundedness: no more data from feedback")


def test_before_the_first_candidate_request_there_is_no_data() -> None:
    for world in (World(RATIO), World(ABSOLUTE), World(P95), World()):
        assert world.run(20, 0.0).result is Result.NO_DATA
        assert not world.said.promotable


def test_a_limit_that_means_nothing_for_its_metric_is_never_passed() -> None:
    said = World(rail(metric="error_rate", min_ratio=0.9)).run(50, 0.5)
    assert said.result is Result.NO_DATA and "cannot be judged" in said.sentence


def test_no_verdict_before_min_requests() -> None:
    careful = rail(metric="error_rate", max_ratio=1.0, min_requests=1000)
    world = World(careful)
    early = world.run(10, 0.05, 0.01, 0.5)
    assert early.result is Result.COLLECTING and early.judgements[0].needed == 1000 - early.candidate_requests
    assert world.run(15, 0.05, 0.01, 0.5).result is Result.FAIL


def test_each_attempt_at_the_same_release_needs_twice_the_evidence_to_be_promoted() -> None:
    first, third = World(RATIO), World(RATIO, attempt=2)
    taken = []
    for world in (first, third):
        while not world.said.promotable:
            world.run(1, 0.2)
        taken.append(world.analysis.n_c)
    assert taken[1] > taken[0]
    gap = third.analysis.settings.log_promote - first.analysis.settings.log_promote
    assert gap == pytest.approx(math.log(4))


def test_an_error_free_service_can_be_promoted_although_a_ratio_of_nothing_says_nothing() -> None:
    world = World(RATIO)
    assert not world.run(5, 0.5, 0.0, 0.0).promotable
    assert world.run(60, 0.5, 0.0, 0.0).promotable


def test_a_batch_counts_once_and_an_open_one_never() -> None:
    world = World(RATIO)
    batch = world.batch(0.1)
    once = absorb(world.analysis, batch)
    assert absorb(once, batch) is once
    assert absorb(once, world.batch(0.1, complete=False)) is once


# --- disasters -------------------------------------------------------------------------------------------------

DISASTER = rail(metric="error_rate", max=0.20, min_requests=50, immediate=True)


def test_a_disaster_is_seen_in_the_batch_still_open() -> None:
    world = World(DISASTER, RATIO)
    world.run(3, 0.05)
    running = world.batch(0.2, 0.01, 1.0, complete=False)
    assert world.said.result is not Result.FAIL
    said = verdict(world.analysis, at=99.0, now_open=(running,))
    assert said.result is Result.FAIL and "at once" in said.sentence


def test_a_disaster_waits_for_its_requests_and_spares_a_candidate_whose_stable_burns_too() -> None:
    world = World(DISASTER)
    few = Batch(9, 90.0, 95.0, Arm(500, 5), Arm(49, 49), complete=False)
    both = Batch(9, 90.0, 95.0, Arm(500, 300), Arm(100, 60), complete=False)
    assert verdict(world.analysis, at=0.0, now_open=(few,)).result is not Result.FAIL
    assert verdict(world.analysis, at=0.0, now_open=(both,)).result is Result.BOTH_ARMS


def test_a_disaster_at_full_weight_is_not_diluted_by_the_good_minutes_before_it() -> None:
    world = World(DISASTER)
    world.run(20, 0.95)
    burning = Batch(world.id + 1, 999.0, 1000.0, Arm(3, 0), Arm(60, 36), complete=False)
    said = verdict(world.analysis, at=0.0, now_open=(burning,))
    assert said.result is Result.FAIL and "60.0 % in the last 60" in said.sentence


# --- the world, not the candidate ------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_when_both_arms_break_together_it_holds_and_goes_on_unharmed_afterwards(share: float) -> None:
    world = World(RATIO, ABSOLUTE)
    world.run(60, share)
    assert world.run(6, share, 0.3, 0.3).result is Result.BOTH_ARMS
    assert world.run(60, share, 0.3, 0.3).result is Result.BOTH_ARMS
    assert "the arms do not differ" in world.said.sentence
    after = world.run(10, share)
    assert after.result in (Result.COLLECTING, Result.PASS)
    assert world.run(200, share).result is Result.PASS


def test_after_the_world_recovered_a_bad_candidate_is_still_found() -> None:
    world = World(RATIO, ABSOLUTE)
    world.run(30, 0.25)
    world.run(30, 0.25, 0.3, 0.3)
    world.run(30, 0.25)
    assert world.run(12, 0.25, 0.01, 0.3).result is Result.FAIL


def test_a_candidate_over_the_limit_alone_fails() -> None:
    said = World(ABSOLUTE).run(10, 0.1, 0.01, 0.25)
    assert said.result is Result.FAIL and "limit 10.0 %" in said.sentence


def test_a_slow_candidate_over_an_absolute_limit_fails_and_a_slow_world_holds() -> None:
    limit = rail(metric="latency_p95_ms", max=60)
    assert World(limit).run(20, 0.2, slow=2.0).result is Result.FAIL
    world = World(limit)
    for i in range(20):
        arm = Arm(500, 0, histogram([70.0] * 500))
        world.analysis = absorb(world.analysis, Batch(i, i * 10.0, i * 10.0 + 10, arm, arm))
    assert world.said.result is Result.BOTH_ARMS
    assert "100.0 % slower than 60 ms" in world.said.sentence


def test_absolute_scores_are_judged_the_same_way() -> None:
    limit = rail(metric="groundedness", min=0.8, source="feedback")
    assert World(limit).run(10, 0.2, quality=(0.9, 0.5)).result is Result.FAIL
    assert World(limit).run(10, 0.2, quality=(0.5, 0.5)).result is Result.BOTH_ARMS
    assert World(limit).run(10, 0.2, quality=(0.9, 0.9)).result is Result.PASS


# --- without a concurrent baseline -----------------------------------------------------------------------------


def test_at_the_last_step_the_candidate_is_judged_against_the_record() -> None:
    fine, bad = World(RATIO, P95), World(RATIO, P95)
    for world in (fine, bad):
        world.run(100, 0.25)
    said = fine.run(100, 1.0)
    assert said.result is Result.PASS and "against the record of" in said.sentence
    said = bad.run(20, 1.0, 0.01, 0.1)
    assert said.result is Result.FAIL and "against the record of" in said.sentence


def test_slower_answers_are_seen_against_the_record_too() -> None:
    world = World(P95)
    world.run(60, 0.25)
    assert world.run(60, 1.0, slow=2.0).result is Result.FAIL


def test_worse_scores_are_seen_against_the_record_too() -> None:
    world = World(QUALITY)
    world.run(20, 0.25, quality=(0.9, 0.9))
    assert world.run(60, 1.0, quality=(0.9, 0.6)).result is Result.FAIL


def test_an_absolute_limit_that_breaks_without_a_second_arm_rolls_back() -> None:
    world = World(ABSOLUTE)
    world.run(30, 0.25)
    assert world.run(20, 1.0, 0.0, 0.3).result is Result.FAIL


def test_a_batch_that_happens_to_have_no_stable_traffic_is_not_the_record() -> None:
    world = World(RATIO)
    world.run(30, 0.25)
    before = world.analysis.guards[0].log_e
    world.run(1, 1.0, 0.01, 0.5, declared=0.25)
    assert world.analysis.guards[0].log_e == before


def test_absolute_margins_are_excluded_by_the_candidates_own_data() -> None:
    rails = (
        rail(metric="error_rate", max=0.10, margin=0.2),
        rail(metric="latency_p95_ms", max=100, margin=150),
        rail(metric="groundedness", min=0.5, margin=0.4, source="feedback"),
        rail(metric="latency_p95_ms", max_ratio=2.0, immediate=True, min_requests=50),
    )
    said = World(*rails).run(40, 0.2, quality=(0.9, 0.9))
    assert said.result is Result.PASS and said.promotable
    assert not World(*rails).run(40, 0.2, quality=(0.4, 0.4)).promotable


def test_without_a_second_arm_low_scores_roll_back_and_good_ones_do_not() -> None:
    limit = rail(metric="groundedness", min=0.8, source="feedback")
    for quality, result in (((0.9, 0.5), Result.FAIL), ((0.9, 0.9), Result.PASS)):
        world = World(limit)
        world.run(5, 0.25, quality=(0.9, 0.9))
        assert world.run(20, 1.0, quality=quality).result is result


def test_a_candidate_that_turns_bad_late_is_described_by_its_last_windows() -> None:
    world = World(RATIO)
    world.run(100, 0.5)
    said = world.run(10, 0.5, 0.01, 0.3)
    assert said.result is Result.FAIL and "in the last" in said.sentence
    assert said.culprit is not None and said.culprit.observed is not None and said.culprit.observed > 0.03


def test_a_disaster_of_slowness_is_told_as_a_share_of_the_requests() -> None:
    slow = rail(metric="latency_p95_ms", max=100, min_requests=50, immediate=True)
    said = World(slow).run(2, 0.2, slow=20.0)
    assert said.result is Result.FAIL and "beyond 100 ms" in said.sentence
    relative = rail(metric="latency_p95_ms", max_ratio=1.5, min_requests=50, immediate=True)
    said = World(relative).run(4, 0.2, slow=20.0)
    assert said.result is Result.FAIL and "beyond stable's p95 latency at 1.5x" in said.sentence


# --- segments, sample ratio ------------------------------------------------------------------------------------


def test_segments_are_compared_within_themselves() -> None:
    """Half of a bad segment and a twentieth of a good one: pooled, the harmless candidate would look many times worse."""
    world = World(rail(metric="error_rate", max_ratio=1.0), rail(metric="latency_p95_ms", max_ratio=1.1))
    for _ in range(60):
        world.analysis = absorb(world.analysis, world.batch(0.5, 0.2, 0.2, segment="eu"))
        world.analysis = absorb(world.analysis, world.batch(0.05, 0.01, 0.01))
    assert world.said.result is Result.PASS


def test_a_split_that_is_not_the_declared_one_makes_the_verdict_invalid() -> None:
    said = World(RATIO).run(60, 0.03, declared=0.05)
    assert said.result is Result.INVALID and not said.promotable
    assert "the weights promise 5.0 %" in said.sentence


def test_a_fair_split_is_not_called_invalid() -> None:
    assert World(RATIO).run(200, 0.05, declared=0.05).result is not Result.INVALID


# --- the state -------------------------------------------------------------------------------------------------

rails = st.sampled_from([RATIO, ABSOLUTE, P95, QUALITY, DISASTER, rail(metric="invalid_output", max_ratio=2.0)])
arms = st.builds(
    lambda n, e, ms, q: Arm(n, min(n, e), histogram([ms] * n), {"groundedness": tuple(q)}),
    st.integers(0, 40), st.integers(0, 40), st.floats(0, 1e6), st.lists(st.floats(-1, 2) | st.just(math.nan), max_size=4),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(rails, min_size=1, max_size=3, unique_by=id),
    st.lists(st.tuples(arms, arms, st.sampled_from([None, "eu"]), st.sampled_from([None, 0.3, 1.0])), max_size=8),
)
def test_a_restart_after_any_batch_goes_on_bit_by_bit(chosen: list[Guardrail], batches: list[Any]) -> None:
    analysis = resumed = begin(tuple(chosen), 0.99, attempt=1)
    for i, (stable, candidate, segment, share) in enumerate(batches):
        batch = Batch(i, i * 10.0, i * 10.0 + 10, stable, candidate, segment, share)
        analysis = absorb(analysis, batch)
        resumed = absorb(Analysis.from_doc(json.loads(json.dumps(resumed.to_doc(), allow_nan=False))), batch)
        assert resumed == analysis
        said = verdict(resumed, at=1.0)
        assert said == verdict(analysis, at=1.0)
        numbers = [x for j in said.judgements for x in (j.e, j.threshold, j.observed, j.baseline) if x is not None]
        assert all(math.isfinite(x) for x in numbers)


def test_a_thousand_million_requests_break_nothing() -> None:
    analysis = begin((RATIO, ABSOLUTE), 0.99)
    for i in range(3):
        batch = Batch(i, i * 10.0, i * 10.0 + 10, Arm(9 * 10**8, 9 * 10**6), Arm(10**8, 10**6), None, 0.1)
        analysis = absorb(analysis, batch)
    assert verdict(analysis, at=0.0).result is Result.PASS


# --- the guarantee, in small -----------------------------------------------------------------------------------


def _detected(
    rails: tuple[Guardrail, ...], outcome: Callable[[np.random.Generator, int, bool], Arm], runs: int
) -> list[int]:
    """Candidate requests at the verdict `fail`, 0 for none, over seeded runs of 20,000 requests with 5 % candidate."""
    found = []
    for run in range(runs):
        rng, analysis = RNG((11, run)), begin(rails, 0.95)
        for i in range(100):
            n_c = int(rng.binomial(200, 0.05))
            batch = Batch(
                i, i * 10.0, i * 10.0 + 10, outcome(rng, 200 - n_c, False), outcome(rng, n_c, True), None, 0.05
            )
            analysis = absorb(analysis, batch)
            if analysis.failed:
                break
        found.append(analysis.n_c if analysis.failed else 0)
    return found


def _errors(p: float, worse: float, burst: int = 1) -> Callable[[np.random.Generator, int, bool], Arm]:
    def outcome(rng: np.random.Generator, n: int, candidate: bool) -> Arm:
        rate = worse if candidate else p
        return Arm(n, min(n, burst * int(rng.poisson(n * rate / burst))))

    return outcome


PLAIN = (rail(metric="error_rate", max_ratio=1.0),)


def test_without_a_difference_hardly_any_run_is_rolled_back() -> None:
    assert sum(map(bool, _detected(PLAIN, _errors(0.02, 0.02), 60))) <= 3


def test_errors_in_bursts_are_no_reason_either() -> None:
    assert sum(map(bool, _detected(PLAIN, _errors(0.02, 0.02, burst=3), 60))) <= 4


def test_five_times_the_errors_are_found_within_about_two_hundred_candidate_requests() -> None:
    found = _detected(PLAIN, _errors(0.01, 0.05), 40)
    assert all(found) and float(np.median(found)) <= 240
