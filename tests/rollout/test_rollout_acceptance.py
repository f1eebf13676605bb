"""The model's contract against a version's own figures, before any user's traffic."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.rollout.acceptance import judge
from tidegate.spec.model import Model
from tidegate.spec.version import ModelVersion

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
