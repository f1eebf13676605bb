"""The model's contract against a version's own figures, before any user's traffic."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.rollout.acceptance import judge, judge_live, unmeasured
from tidegate.spec.model import Model
from tidegate.spec.version import Evaluation, ModelVersion

SET = "a" * 64
OTHER = "b" * 64
CONTRACT: dict[str, Any] = {
    "evaluation_set": {"uri": "file:///set", "sha256": SET, "examples": 597, "min_examples": 300},
    "metrics": {"accuracy": {"min": 0.95}, "latency_p95_ms": {"max": 50}},
    "regression": {"accuracy": {"max_drop": 0.01}},
    "fairness": [{"metric": "accuracy", "across": "writer", "max_gap": 0.05}],
}
GOOD: dict[str, Any] = {
    "set_sha256": SET,
    "examples": 597,
    "metrics": {"accuracy": 0.972, "latency_p95_ms": 4.1},
    "slices": {"writer": {"a": {"accuracy": 0.97}, "b": {"accuracy": 0.96}}},
}


def model(**changed: Any) -> Model:
    return Model.model_validate({
        "api": "tidegate/v1", "kind": "Model", "name": "digits", "summary": "Reads.", "owners": ["vision"],
        "protocol": "http", "acceptance": CONTRACT | changed,
    })  # fmt: skip


def version(number: str = "2.0.0", evaluation: dict[str, Any] | None = None, **changed: Any) -> ModelVersion:
    figures = (evaluation or GOOD) | changed
    return ModelVersion.model_validate({
        "api": "tidegate/v1", "kind": "ModelVersion", "model": "digits", "version": number, "reason": "Because.",
        "runtime": {}, "evaluation": figures,
    })  # fmt: skip


def bare() -> ModelVersion:
    return version().model_copy(update={"evaluation": None})


def test_figures_that_meet_the_contract_pass() -> None:
    assert judge(model(), version(), version("1.0.0"), required=True) == ""


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"set_sha256": OTHER}, "evaluated on set bbbbbbbbbbbb, the contract names aaaaaaaaaaaa"),
        ({"examples": 100}, "evaluated on 100 examples, the contract asks for 300"),
        ({"metrics": {"accuracy": 0.9, "latency_p95_ms": 4}}, "accuracy 0.9 is below 0.95"),
        ({"metrics": {"accuracy": 0.97, "latency_p95_ms": 80}}, "latency_p95_ms 80 is above 50"),
        ({"metrics": {"accuracy": 0.97}}, "latency_p95_ms was not measured"),
        ({"slices": {}}, "accuracy across writer was not measured"),
        ({"slices": {"writer": {"a": {"accuracy": 0.99}, "b": {"accuracy": 0.9}}}},
         "accuracy across writer differs by 0.09 (b 0.9, a 0.99), at most 0.05 is allowed"),
    ],
)  # fmt: skip
def test_figures_that_break_the_contract_say_how(changed: dict[str, Any], reason: str) -> None:
    assert judge(model(), version(**changed), None, required=True) == reason


def test_every_broken_promise_is_named() -> None:
    found = judge(model(), version(metrics={"accuracy": 0.9, "latency_p95_ms": 80}), None, required=True)
    assert found == "accuracy 0.9 is below 0.95; latency_p95_ms 80 is above 50"


def test_a_version_may_lose_only_so_much_against_the_one_in_production() -> None:
    stable = version("1.0.0", metrics={"accuracy": 0.99, "latency_p95_ms": 4})
    found = judge(model(), version(), stable, required=True)
    assert found == "accuracy 0.972 is 0.018 below 1.0.0's 0.99, at most 0.01 may be lost"


def test_a_drop_of_just_what_is_allowed_passes_whatever_the_rounding() -> None:
    stable = version("1.0.0", metrics={"accuracy": 0.982, "latency_p95_ms": 4})
    assert judge(model(), version(), stable, required=True) == ""


def test_versions_measured_on_different_sets_are_not_compared() -> None:
    stable = version("1.0.0", set_sha256=OTHER, metrics={"accuracy": 0.999})
    assert judge(model(), version(), stable, required=True) == ""


def test_a_regression_metric_that_no_limit_names_must_be_measured_too() -> None:
    contract = model(metrics={}, fairness=[])
    found = judge(contract, version(metrics={}), version("1.0.0"), required=True)
    assert found == "accuracy was not measured"


def test_without_an_evaluation_only_a_policy_that_requires_one_refuses() -> None:
    assert judge(model(), bare(), None, required=True) == "digits 2.0.0 has no evaluation, and the policy requires one"
    assert judge(model(), bare(), None, required=False) == ""
    assert judge(model(), version(), bare(), required=True) == ""


def test_where_evidence_is_optional_what_is_missing_passes_and_what_is_bad_does_not() -> None:
    assert judge(model(), version(metrics={}, slices={}), version("1.0.0"), required=False) == ""
    assert judge(model(), version(metrics={"accuracy": 0.5}), None, required=False) == "accuracy 0.5 is below 0.95"


def test_a_model_without_a_contract_takes_any_evaluation() -> None:
    free = model(evaluation_set=None, metrics={}, regression={}, fairness=[])
    assert judge(free, version(metrics={"accuracy": 0.1}), None, required=True) == ""


def live(**changed: Any) -> Evaluation:
    return Evaluation.model_validate(GOOD | changed)


def test_what_the_candidate_shows_itself_is_held_against_the_same_contract_and_says_on_what() -> None:
    contract = model().acceptance
    assert judge_live(contract, live(), live(), "1.0.0") == ""
    worse = judge_live(contract, live(metrics={"accuracy": 0.94, "latency_p95_ms": 4.0}), live(), "1.0.0")
    assert worse == (
        "accuracy 0.94 is below 0.95; accuracy 0.94 is 0.032 below 1.0.0's 0.972, at most 0.01 may be lost; "
        "measured on 597 examples of set aaaaaaaaaaaa"
    )
    assert judge_live(contract, live(metrics={}), None, "") == ""  # what is not measured here was judged by the file


def test_no_example_may_fail_unless_the_contract_says_how_many() -> None:
    found = judge_live(model().acceptance, live(), None, "", failed=1, failures=("example 7: status 500: x",))
    assert found == (
        "1 of 597 examples failed (at most 0 of them may fail): example 7: status 500: x; "
        "measured on 597 examples of set aaaaaaaaaaaa"
    )
    lenient = model(metrics={"error_rate": {"max": 0.01}}).acceptance
    assert judge_live(lenient, live(), None, "", failed=5, failures=("example 7: status 500: x",)) == ""
    assert "6 of 597" in judge_live(lenient, live(), None, "", failed=6)


def test_groups_that_nobody_measured_are_told() -> None:
    assert unmeasured(model().acceptance, live()) == ""
    assert unmeasured(model().acceptance, live(slices={"writer": {"a": {"accuracy": 1.0}}})) == (
        "accuracy across writer was not measured: the set has no two slices of writer"
    )


def test_of_errors_and_latencies_less_is_better() -> None:
    contract = model(metrics={}, fairness=[], regression={"mae": {"max_drop": 0.1}}).acceptance
    assert judge_live(contract, live(metrics={"mae": 0.1}), live(metrics={"mae": 0.9}), "1.0.0") == ""
    found = judge_live(contract, live(metrics={"mae": 0.9}), live(metrics={"mae": 0.1}), "1.0.0")
    assert "mae 0.9 is 0.8 above 1.0.0's 0.1, at most 0.1 may be lost" in found
