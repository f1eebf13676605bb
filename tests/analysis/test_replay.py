"""A stored run replays to the same verdicts, bit by bit; and what must not depend on how it was cut, or on broken values."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.analysis.batches import Batcher, by_role
from tidegate.analysis.counts import CountsTest
from tidegate.analysis.judge import Analysis, absorb, begin, verdict
from tidegate.analysis.model import Arm, Batch, Result, Verdict
from tidegate.spec.policy import Guardrail

T0 = 1_767_225_600.0  # 2026-01-01T00:00:00Z
RAILS = tuple(
    Guardrail.model_validate(fields)
    for fields in (
        {"metric": "error_rate", "max_ratio": 1.5, "margin": 3.0},
        {"metric": "error_rate", "max": 0.3, "immediate": True},
        {"metric": "error_rate", "max_ratio": 1.5, "segments": "each"},
        {"metric": "error_rate", "max_gap": 0.2, "segments": "each"},
        {"metric": "latency_p95_ms", "max_increase": "10%", "margin": "60%"},
        {"metric": "latency_p99_ms", "max": 900},
        {"metric": "quality", "max_drop": 0.0, "margin": 0.1, "source": "feedback"},
        {"metric": "quality", "min": 0.5, "source": "feedback"},
        {"metric": "invalid_output", "max": 0.2},
    )
)


def stored_run() -> list[str]:
    """Record lines of 6 minutes at 10 requests a second; after 4 minutes the candidate gets worse in one segment."""
    rng, lines = np.random.default_rng(9), []
    for i in range(3600):
        candidate, segment = bool(rng.random() < 0.3), ("eu", None)[int(rng.random() < 0.5)]
        bad = candidate and segment == "eu" and i > 2400
        status = 500 if rng.random() < (0.3 if bad else 0.02) else 200
        record: dict[str, Any] = {
            "time": f"2026-01-01T00:{i // 600:02d}:{i % 600 / 10:04.1f}+00:00",
            "role": "candidate" if candidate else "stable", "status": status, "segment": segment,
            "request_id": f"id-{i // 2 if rng.random() < 0.1 else i}", "duration_ms": round(float(rng.lognormal(3, 0.5)), 3),
        }  # fmt: skip
        if rng.random() < 0.7:
            record["metrics"] = {"quality": float("nan") if rng.random() < 0.02 else round(float(rng.beta(9, 1)), 4)}
        lines.append(json.dumps(record))
    return lines


def replayed(lines: list[str], *, restarts: bool) -> list[Verdict]:
    """All verdicts of a run; with `restarts`, everything goes through JSON after each window."""
    batcher = Batcher(by_role, length=10.0, opened_at=T0, share=0.3)
    analysis, said = begin(RAILS, 0.99), []
    for first in range(0, len(lines), 100):
        now = T0 + first / 10
        batcher.add_many(json.loads(line) for line in lines[first : first + 100])
        for batch in batcher.close(now):
            analysis = absorb(absorb(analysis, batch), batch)
        if restarts:
            analysis = Analysis.from_doc(json.loads(json.dumps(analysis.to_doc(), allow_nan=False)))
            batcher = Batcher.from_doc(json.loads(json.dumps(batcher.to_doc())), by_role)
        said.append(verdict(analysis, at=now, now_open=batcher.open()))
    return said


def test_a_stored_run_replays_to_the_same_verdicts_through_restarts_and_batches_seen_twice() -> None:
    lines = stored_run()
    straight = replayed(lines, restarts=False)
    assert straight == replayed(lines, restarts=True)
    assert straight[20].result in (Result.COLLECTING, Result.PASS)
    assert straight[-1].result is Result.FAIL and "in eu: " in straight[-1].sentence


@given(
    st.integers(1, 40),
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6),
)
def test_at_one_share_it_does_not_matter_how_a_time_was_cut_into_batches(
    n: int, times: int, events: list[tuple[int, int]]
) -> None:
    """The binomial form, unguarded: log LR depends on the share of the arms and on the events alone."""
    n_b = n * times
    pieces = [(min(c, n), min(b, n_b)) for c, b in events]
    cut, whole = CountsTest(1.3), CountsTest(1.3)
    for s_c, s_b in pieces:
        cut = cut.absorb(n, s_c, n_b, s_b)
    k = len(pieces)
    whole = whole.absorb(n * k, sum(c for c, _ in pieces), n_b * k, sum(b for _, b in pieces))
    assert cut.log_e == pytest.approx(whole.log_e, abs=1e-9)
    assert cut.expected == pytest.approx(whole.expected)


broken = st.sampled_from([math.nan, math.inf, -math.inf, -0.1, 1.1, 1e300])
LIMITS: tuple[dict[str, Any], ...] = (
    {"max_drop": 0.0, "margin": 0.05}, {"min": 0.5, "margin": 0.4}, {"max": 0.5, "margin": 0.9},
    {"max_ratio": 1.1, "margin": 1.5},
    {"max_increase": 0.0, "margin": 0.2}, {"min_ratio": 0.9, "margin": 0.5}, {"max_gap": 0.1, "margin": 0.2, "segments": "each"},
    {"max_drop": 0.0, "margin": 0.05, "segments": "each"},
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(LIMITS), st.lists(broken, min_size=1, max_size=5))
def test_values_that_are_no_scores_never_pass_or_promote(limit: dict[str, Any], values: list[float]) -> None:
    analysis = begin((Guardrail.model_validate({"metric": "q", "source": "feedback", **limit}),), 0.9)
    for i in range(30):
        good, bad = Arm(50, scores={"q": (0.4, 0.6) * 25}), Arm(50, scores={"q": tuple(values) * 10})
        analysis = absorb(analysis, Batch(i, i // 2 * 10.0, i // 2 * 10.0 + 10, good, bad, ("eu", None)[i % 2]))
    said = verdict(analysis, at=0.0)
    assert said.result is not Result.PASS and not said.promotable


def test_a_broken_value_in_a_good_ones_place_never_helps_a_promotion() -> None:
    guardrail = Guardrail.model_validate({"metric": "q", "max_drop": 0.0, "margin": 0.1, "source": "feedback"})
    evidence = []
    for last in (1.0, math.nan):
        analysis = begin((guardrail,), 0.99)
        for i in range(10):
            stable, candidate = Arm(20, scores={"q": (1.0,) * 20}), Arm(20, scores={"q": (1.0,) * 19 + (last,)})
            analysis = absorb(analysis, Batch(i, i * 10.0, i * 10.0 + 10, stable, candidate))
        [guard] = analysis.to_doc()["guards"]
        evidence.append(np.logaddexp.reduce(guard["lift"]["concurrent"]["logs"]))
    assert evidence[1] < evidence[0]


def test_a_thousand_million_requests_in_every_kind_of_guardrail_break_nothing() -> None:
    analysis = begin(RAILS[:4], 0.99)
    for i in range(6):
        stable, candidate = Arm(9 * 10**8, 9 * 10**6), Arm(10**8, 10**6)
        analysis = absorb(analysis, Batch(i, i // 2 * 10.0, i // 2 * 10.0 + 10, stable, candidate, ("eu", None)[i % 2]))
    said = verdict(analysis, at=0.0)
    assert said.result in (Result.PASS, Result.COLLECTING)
    for one in said.judgements:
        numbers = (one.e, one.p, one.effect, one.effect_low, one.effect_high, one.observed_low, one.observed_high)
        assert all(math.isfinite(x) for x in numbers if x is not None)
