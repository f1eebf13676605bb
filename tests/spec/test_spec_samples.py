"""What so many candidate requests can show: the arithmetic that rules and `plan` reckon with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.spec.policy import Guardrail, PolicyFields
from tidegate.spec.samples import (
    alphas,
    assumed_baseline,
    detectable,
    information,
    promotion_information,
    promotion_samples,
    samples_needed,
)


def rail(**fields: Any) -> Guardrail:
    return Guardrail.model_validate(fields, by_alias=True, by_name=False)


ERRORS = rail(metric="error_rate", max_ratio=1.5)
RAILS = [
    (ERRORS, 0.01), (rail(metric="error_rate", max=0.02), 0.01), (rail(metric="latency_p95_ms", max_ratio=1.2), 100.0),
    (rail(metric="latency_p95_ms", max=300), 100.0), (rail(metric="q", max_drop=0.02, source="feedback"), 0.9),
    (rail(metric="q", min=0.8, source="feedback"), 0.9), (rail(metric="q", max=0.2, source="feedback"), 0.1),
]  # fmt: skip


@pytest.mark.parametrize(("guardrail", "baseline"), RAILS)
@given(share=st.floats(0.01, 0.9), requests=st.floats(100, 1e6))
def test_the_smallest_effect_is_the_one_that_just_so_many_requests_find(
    guardrail: Guardrail, baseline: float, share: float, requests: float
) -> None:
    effect = detectable(guardrail, baseline, 0.01, [(share, requests)])
    if effect is None:
        return
    needed = samples_needed(guardrail, baseline, effect, 0.01, share)
    assert needed is not None and needed <= requests + 1
    smaller = 1 + (effect - 1) * 0.9
    more = samples_needed(guardrail, baseline, smaller, 0.01, share)
    assert more is None or more >= requests * 0.999


@pytest.mark.parametrize(("guardrail", "baseline"), RAILS)
def test_more_requests_show_smaller_effects(guardrail: Guardrail, baseline: float) -> None:
    found = [detectable(guardrail, baseline, 0.01, [(0.05, n)]) for n in (1_000, 10_000, 100_000)]
    sizes = [max(e, 1 / e) if e is not None else float("inf") for e in found]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[-1]


def test_evidence_of_several_steps_adds_up() -> None:
    one = detectable(ERRORS, 0.01, 0.01, [(0.05, 500)])
    both = detectable(ERRORS, 0.01, 0.01, [(0.05, 500), (0.5, 5000)])
    assert one is not None and both is not None and both < one


def test_with_all_of_the_traffic_a_relative_limit_learns_nothing_and_an_absolute_one_does() -> None:
    assert information(ERRORS, 0.01, 5.0, 1.0) == 0.0
    assert detectable(ERRORS, 0.01, 0.01, [(1.0, 1e9)]) is None
    assert detectable(rail(metric="error_rate", max=0.02), 0.01, 0.01, [(1.0, 1e4)]) is not None


def test_a_limit_that_no_rate_can_pass_is_never_broken() -> None:
    assert detectable(rail(metric="error_rate", max=1.0), 0.01, 0.01, [(0.5, 1e9)]) is None
    assert detectable(rail(metric="error_rate", min=0.1), 0.01, 0.01, [(0.5, 1e9)]) is None


@pytest.mark.parametrize(
    ("fields", "baseline", "low", "high"),
    [
        ({"metric": "error_rate", "max": 0.02, "margin": 0.05}, 0.0, 150, 250),
        ({"metric": "error_rate", "max": 0.02, "margin": 0.05}, 0.01, 300, 450),
        ({"metric": "error_rate", "max_ratio": 1.5, "margin": 3.0}, 0.0, 6_500, 10_000),
        ({"metric": "error_rate", "max_ratio": 1.5, "margin": 3.0}, 0.01, 900, 1_600),
        ({"metric": "latency_p95_ms", "max_ratio": 1.2, "margin": 1.5}, 100.0, 100, 1_000),
        ({"metric": "latency_p95_ms", "max": 300, "margin": 400}, 100.0, 50, 1_000),
        ({"metric": "q", "max_drop": 0.02, "margin": 0.1, "source": "feedback"}, 0.9, 50, 1_000),
    ],
)
def test_promotion_has_its_own_price(fields: dict[str, Any], baseline: float, low: int, high: int) -> None:
    needed = promotion_samples(rail(**fields), baseline, 0.01, 0.1)
    assert needed is not None and low <= needed <= high


def test_a_margin_that_a_candidate_as_good_as_stable_breaks_is_never_excluded() -> None:
    assert promotion_samples(rail(metric="error_rate", max=0.02, margin=0.05), 0.06, 0.01, 0.1) is None
    assert promotion_samples(rail(metric="error_rate", max_ratio=1.0, margin=1.0), 0.01, 0.01, 0.1) is None
    assert promotion_samples(rail(metric="latency_p95_ms", max=50, margin=80), 100.0, 0.01, 0.1) is None
    assert promotion_samples(ERRORS, 0.01, 0.01, 0.1) is None


NUMBERS = st.floats(-5, 5) | st.sampled_from([0.0, 0.5, 1.0, 100.0, 1e6])


@given(
    metric=st.sampled_from(
        ["error_rate", "latency_p95_ms", "latency_p00_ms", "latency_p9999_ms", "invalid_output", "q"]
    ),
    name=st.sampled_from(["max_ratio", "min_ratio", "max_increase", "max_drop", "max", "min"]),
    source=st.sampled_from(["gateway", "feedback"]),
    numbers=st.tuples(NUMBERS, NUMBERS, st.floats(0.001, 1.0), st.floats(0, 1e9), st.floats(0.001, 1000)),
)
@example("latency_p95_ms", "max_ratio", "gateway", (0.25, 0.0, 0.25, 0.0, 0.25))  # rounding alone went below zero
def test_whatever_a_policy_says_the_arithmetic_gives_a_number(
    metric: str, name: str, source: str, numbers: tuple[float, float, float, float, float]
) -> None:
    limit, margin, share, requests, effect = numbers
    guardrail = rail(metric=metric, source=source, margin=margin, **{name: limit})
    baseline = assumed_baseline(guardrail)
    assert information(guardrail, baseline, effect, share) >= 0
    assert promotion_information(guardrail, baseline, share) >= 0
    found = detectable(guardrail, baseline, 0.01, [(share, requests)])
    assert found is None or found > 0


def test_alpha_is_shared_by_weight_among_the_guardrails_that_are_tests() -> None:
    fields = [{"metric": "error_rate", "max": 0.1, "weight": 3}, {"metric": "error_rate", "max": 0.2, "immediate": True},
              {"metric": "latency_p95_ms", "max": 100}]  # fmt: skip
    steps = [{"name": "full", "weight": "100%"}]
    policy = PolicyFields.model_validate({"steps": steps, "guardrails": fields, "confidence": 0.96}, by_alias=True)
    assert alphas(policy) == pytest.approx((0.03, 0.0, 0.01))
