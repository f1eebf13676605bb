"""Guardrails on a shadow's pairs: their own evidence, apart from that of users' requests, and a test with one arm."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from tidegate.analysis.judge import Analysis, absorb, begin, renew, verdict
from tidegate.analysis.latency import histogram
from tidegate.analysis.model import Arm, Batch, Result
from tidegate.spec.policy import Guardrail

AGREEMENT = {"metric": "agreement", "min": 0.98, "source": "shadow"}
ERRORS = {"metric": "error_rate", "max_ratio": 2.0, "source": "shadow"}
COST = {"metric": "cost", "max_ratio": 1.5, "bounds": [0, 0.5], "source": "shadow"}
SLOW = {"metric": "latency_p95_ms", "max_ratio": 1.3, "source": "shadow"}
OF_USERS = {"metric": "error_rate", "max_ratio": 2.0}


def rails(*fields: dict[str, Any]) -> tuple[Guardrail, ...]:
    return tuple(Guardrail.model_validate(one) for one in fields)


def pairs(
    number: int,
    n: int,
    agreed: int,
    errors: tuple[int, int] = (0, 0),
    ms: tuple[float, float] = (20, 20),
    cost: tuple[float, ...] = (),
) -> Batch:
    """A window of `n` pairs: errors, latency and cost of stable, then of the shadow."""
    costs: list[dict[str, tuple[float, ...]]] = [{"cost": (one,) * n} for one in cost] or [{}, {}]
    stable, shadow = (Arm(n, e, histogram([t] * n), s) for e, t, s in zip(errors, ms, costs, strict=True))
    return Batch(
        number,
        number * 10.0,
        number * 10.0 + 10,
        stable,
        Arm(n, shadow.errors, shadow.latency, shadow.scores, counts={"agreement": (n, agreed)}),
        mirrored=True,
    )


def after(analysis: Analysis, *batches: Batch) -> Analysis:
    for batch in batches:
        analysis = Analysis.from_doc(json.loads(json.dumps(absorb(analysis, batch).to_doc())))
    return analysis


@pytest.mark.parametrize(
    ("guardrail", "window", "words"),
    [
        (AGREEMENT, {"agreed": 90}, "agreement 90.0 %"),
        (ERRORS, {"agreed": 100, "errors": (2, 30)}, "error rate 30.0 % against 2.0 %"),
        (SLOW, {"agreed": 100, "ms": (20, 60)}, "p95 latency"),
        (COST, {"agreed": 100, "cost": (0.1, 0.4)}, "cost"),
        (COST | {"max_ratio": None, "max": 0.2}, {"agreed": 100, "cost": (0.1, 0.4)}, "cost"),
    ],
)
def test_a_shadow_beyond_its_limit_fails_and_the_sentence_counts_pairs(
    guardrail: dict[str, Any], window: dict[str, Any], words: str
) -> None:
    given = {name: value for name, value in guardrail.items() if value is not None}
    begun = begin(rails(given, OF_USERS), 0.99)
    said = verdict(after(begun, *(pairs(i, 100, **window) for i in range(10))), at=0.0, mirrored=True)
    assert said.result is Result.FAIL
    assert said.culprit is not None
    assert said.culprit.metric == guardrail["metric"]
    assert words in said.sentence
    assert "pairs of answers" in said.sentence
    assert said.candidate_requests == 0, "copies are nobody's requests"


def test_agreement_is_never_excused_by_a_stable_release_that_cannot_break_it() -> None:
    begun = begin(rails(AGREEMENT, OF_USERS, SLOW, ERRORS), 0.99)
    found = set()
    analysis = begun
    for number in range(40):
        analysis = after(analysis, pairs(number, 20, 18))
        found.add(verdict(analysis, at=0.0, mirrored=True).result)
    assert Result.BOTH_ARMS not in found
    assert Result.FAIL in found


def test_a_cost_within_its_limit_passes_and_one_that_no_answer_told_is_no_data() -> None:
    begun = begin(rails(COST, OF_USERS), 0.99)
    said = verdict(after(begun, *(pairs(i, 100, 100, cost=(0.1, 0.11)) for i in range(10))), at=0.0, mirrored=True)
    assert said.result is Result.PASS
    assert (said.judgements[0].observed, said.judgements[0].baseline) == pytest.approx((0.11, 0.1))
    said = verdict(after(begun, pairs(0, 100, 100)), at=0.0, mirrored=True)
    assert said.result is Result.NO_DATA and not said.promotable


def test_pairs_and_requests_are_kept_apart() -> None:
    begun = begin(rails(AGREEMENT, OF_USERS), 0.99)
    analysis = after(begun, *(pairs(i, 100, 100) for i in range(3)))
    said = verdict(analysis, at=0.0, mirrored=True)
    assert said.result is Result.PASS, "in a shadow step nobody waits for users"
    assert said.judgements[0].candidate_requests == 300
    assert said.judgements[1].candidate_requests == 0
    users = Batch(0, 30.0, 40.0, Arm(500, 5), Arm(500, 5), share=0.5)
    said = verdict(after(analysis, users), at=0.0)
    assert (said.requests, said.candidate_requests) == (1000, 500)
    assert said.judgements[0].candidate_requests == 300
    assert said.result is Result.PASS
    assert said.promotable


def test_after_the_shadow_nobody_waits_for_pairs_and_in_it_nothing_is_shown_without_them() -> None:
    users = Batch(0, 0.0, 10.0, Arm(500, 5), Arm(500, 5), share=0.5)
    analysis = after(begin(rails(AGREEMENT | {"margin": 0.9}, OF_USERS), 0.99), users)
    said = verdict(analysis, at=0.0)
    assert said.result is Result.PASS
    assert said.promotable
    assert said.sentence.startswith("error rate")
    said = verdict(analysis, at=0.0, mirrored=True)
    assert said.result is Result.NO_DATA
    assert not said.promotable
    assert said.sentence == "agreement: no data from shadow yet"


def test_edited_guardrails_keep_what_the_pairs_have_shown_for_those_that_stay() -> None:
    users = Batch(0, 30.0, 40.0, Arm(500, 5), Arm(500, 5), share=0.5)
    old = after(begin(rails(AGREEMENT, OF_USERS, SLOW), 0.99), *(pairs(i, 100, 100) for i in range(3)), users)
    new = renew(old, rails(SLOW | {"max_ratio": 1.2}, OF_USERS, AGREEMENT), 0.99)
    new = Analysis.from_doc(json.loads(json.dumps(new.to_doc())))
    seen = [one.candidate_requests for one in verdict(new, at=0.0, mirrored=True).judgements]
    assert seen == [0, 0, 300], "an edited one begins anew, and so does one on users' requests"
    more = after(new, pairs(new.mirrored.last + 1, 100, 100))
    assert [one.candidate_requests for one in verdict(more, at=0.0).judgements] == [100, 0, 400]
    other, fresh = renew(old, rails(AGREEMENT), 0.9), begin(rails(AGREEMENT), 0.9)
    assert (other.guards, other.mirrored) == (fresh.guards, fresh.mirrored), "another confidence is another test"


@pytest.mark.parametrize("kind", ["error_rate", "latency_p95_ms", "score"])
@pytest.mark.parametrize(("worse", "result"), [(True, Result.FAIL), (False, Result.PASS)])
def test_edited_guardrails_keep_the_record_of_stable_for_a_step_without_it(
    kind: str, worse: bool, result: Result
) -> None:
    limit = {"max_drop": 0.1, "source": "feedback", "bounds": [0, 1]} if kind == "score" else {"max_ratio": 2.0}
    tighter = {**limit, "max_drop": 0.05} if kind == "score" else {"max_ratio": 1.5}
    chance = random.Random(7)

    def arm(number: int, bad: bool) -> Arm:
        times = histogram([chance.uniform(10, 20) * (10 if bad else 1) for _ in range(number)])
        scores = {"score": tuple(chance.uniform(0.0, 0.4) if bad else chance.uniform(0.6, 1.0) for _ in range(number))}
        return Arm(number, number // 3 if bad else number // 100, times, scores)

    beside = [Batch(i, i * 10.0, i * 10.0 + 10, arm(500, False), arm(500, False), share=0.5) for i in range(6)]
    alone = [Batch(i, i * 10.0, i * 10.0 + 10, Arm(), arm(500, worse), share=1.0) for i in range(6, 30)]
    old = after(begin(rails({"metric": kind, **limit}), 0.99), *beside)
    new = renew(old, rails({"metric": kind, **tighter}), 0.99)
    new = Analysis.from_doc(json.loads(json.dumps(new.to_doc())))
    assert verdict(after(new, *alone), at=0.0).result is result
    blind = after(begin(rails({"metric": kind, **tighter}), 0.99), *alone)
    assert verdict(blind, at=0.0).result is not Result.FAIL, "without a record there is nothing to hold it against"


def test_a_margin_is_excluded_by_pairs_before_anybody_was_served() -> None:
    begun = begin(rails(AGREEMENT | {"min": 0.95, "margin": 0.9}), 0.99)
    few, many = (after(begun, *(pairs(i, 50, 50) for i in range(n))) for n in (1, 6))
    assert not verdict(few, at=0.0, mirrored=True).promotable
    said = verdict(many, at=0.0, mirrored=True)
    assert said.promotable
    assert "90.0 % is excluded" in said.sentence


@pytest.mark.parametrize(
    "broken",
    [
        AGREEMENT | {"max": 0.9, "min": None},
        AGREEMENT | {"segments": ["eu"]},
        AGREEMENT | {"metric": "politeness"},
        COST | {"metric": "invalid_output"},
        OF_USERS | {"source": "shadow", "max_ratio": None, "max_gap": 0.1, "segments": "each"},
    ],
)
def test_what_pairs_cannot_say_is_no_data(broken: dict[str, Any]) -> None:
    fields = {name: value for name, value in broken.items() if value is not None}
    said = verdict(after(begin(rails(fields), 0.99), pairs(0, 100, 100)), at=0.0, mirrored=True)
    assert said.result is Result.NO_DATA
    assert not said.promotable


def test_a_release_just_within_its_limit_is_seldom_turned_down() -> None:
    rng, failed = np.random.default_rng(11), 0
    for _ in range(60):
        analysis = begin(rails(AGREEMENT), 0.9)
        for number in range(40):
            analysis = absorb(analysis, pairs(number, 50, int(rng.binomial(50, 0.98))))
        failed += analysis.failed is not None
    assert failed <= 9, "one in ten, and chance"
