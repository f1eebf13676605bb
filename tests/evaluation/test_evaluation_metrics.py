"""Metrics are scikit-learn's; failed examples count where they can; what cannot be told is not made up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from tidegate.evaluation.metrics import NO_ANSWER, Answered, Reading, known, measure

CLASSES = ["cat", "dog", "emu"]
pairs_of = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=2, max_size=40)
numbers_of = st.lists(
    st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=40, unique_by=lambda pair: pair[0]
)


def answers(pairs: list[tuple[Any, Any]]) -> list[Answered]:
    return [Answered({"y": truth}, {}, {"y": [said]}, 0.01) for truth, said in pairs]


@given(pairs_of)
def test_classes_are_scored_as_scikit_learn_does(pairs: list[tuple[str, str]]) -> None:
    truth, said = [one for one, _ in pairs], [one for _, one in pairs]
    names = ("accuracy", "f1", "f1_macro", "f1_weighted", "precision_micro", "recall_macro", "cohen_kappa")
    found, _, unknown = measure(answers(pairs), names, Reading())
    labels = sorted(set(truth))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, said), abs=1e-6)
    for name, function, average in (
        ("f1", sk.f1_score, "macro"),
        ("f1_macro", sk.f1_score, "macro"),
        ("f1_weighted", sk.f1_score, "weighted"),
        ("precision_micro", sk.precision_score, "micro"),
        ("recall_macro", sk.recall_score, "macro"),
    ):
        expected = function(truth, said, average=average, labels=labels, zero_division=0)
        assert found[name] == pytest.approx(expected, abs=1e-6)
    assert "cohen_kappa" in found or "nan" in unknown["cohen_kappa"]


@given(numbers_of)
def test_numbers_are_scored_as_scikit_learn_does(pairs: list[tuple[float, float]]) -> None:
    truth, said = [one for one, _ in pairs], [one for _, one in pairs]
    found, _, _ = measure(answers(pairs), ("mae", "mse", "rmse", "max_error"), Reading())
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(truth, said), abs=1e-5)
    assert found["mse"] == pytest.approx(sk.mean_squared_error(truth, said), abs=1e-5)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, said), abs=1e-5)
    assert found["max_error"] == pytest.approx(sk.max_error(truth, said), abs=1e-5)


def test_r2_of_a_known_example() -> None:
    found, _, _ = measure(answers([(3.0, 2.5), (-0.5, 0.0), (2.0, 2.0), (7.0, 8.0)]), ("r2",), Reading())
    assert found["r2"] == 0.948608  # the example of scikit-learn's own manual


def test_probabilities_of_two_and_of_many_classes() -> None:
    two = [Answered({"y": y}, {}, {"y": [0], "p": [p]}, 0.01) for y, p in ((0, 0.1), (0, 0.4), (1, 0.35), (1, 0.8))]
    found, _, _ = measure(two, ("roc_auc", "log_loss"), Reading(scores="p"))
    assert found["roc_auc"] == 0.75  # the example of scikit-learn's own manual
    assert found["log_loss"] == pytest.approx(sk.log_loss([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), abs=1e-6)
    rows = [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]
    truth = ["emu", "cat", "dog", "emu"]
    many = [Answered({"y": t}, {}, {"y": ["emu"], "p": row}, 0.01) for t, row in zip(truth, rows, strict=True)]
    found, _, _ = measure(many, ("roc_auc", "log_loss"), Reading("y", "p", ("emu", "dog", "cat")))
    turned = [[cat, dog, emu] for emu, dog, cat in rows]
    assert found["log_loss"] == pytest.approx(sk.log_loss(truth, turned, labels=CLASSES), abs=1e-6)
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, turned, labels=CLASSES, multi_class="ovr"))


def test_ten_and_more_classes_are_in_the_order_of_their_numbers() -> None:
    rows = [[1.0 if column == label else 0.0 for column in range(12)] for label in range(12)]
    answered = [Answered({"y": label}, {}, {"y": [label], "p": rows[label]}, 0.01) for label in range(12)]
    found, _, _ = measure(answered, ("log_loss", "roc_auc"), Reading(scores="p"))
    assert found["log_loss"] == 0.0
    assert found["roc_auc"] == 1.0


def test_a_failed_example_is_wrong_as_a_class_and_left_out_as_a_number() -> None:
    classes = [*answers([("cat", "cat"), ("dog", "dog")]), Answered({"y": "dog"})]
    found, _, _ = measure(classes, ("recall_macro", "f1_macro"), Reading())
    assert found["accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["error_rate"] == pytest.approx(1 / 3, abs=1e-6)
    truth, said = ["cat", "dog", "dog"], ["cat", "dog", NO_ANSWER]
    assert found["recall_macro"] == pytest.approx(sk.recall_score(truth, said, labels=["cat", "dog"], average="macro"))
    numbers = [*answers([(1.0, 2.0)]), Answered({"y": 5.0})]
    assert measure(numbers, (), Reading())[0]["mae"] == 1.0


def test_latencies_are_quantiles_in_milliseconds() -> None:
    answered = [Answered(1, {}, {"": 1}, second / 1000) for second in range(1, 101)]
    found, _, _ = measure(answered, ("latency_p999_ms",), Reading())
    assert found["latency_p50_ms"] == pytest.approx(50.5)
    assert found["latency_p95_ms"] == pytest.approx(95.05)
    assert found["latency_p999_ms"] == pytest.approx(99.901)


def test_each_member_of_a_group_has_its_own_figures() -> None:
    sliced = [Answered(1, {"pen": pen}, {"": said}, 0.01) for pen, said in (("a", 1), ("a", 2), ("b", 1))]
    _, slices, _ = measure([*sliced, Answered(1, {}, {"": 1}, 0.01)], (), Reading())
    assert slices["pen"]["a"]["accuracy"] == 0.5
    assert slices["pen"]["b"] == {**slices["pen"]["b"], "accuracy": 1.0, "examples": 1.0}


def test_what_cannot_be_measured_says_why_and_what_is_not_known_here_is_left_to_others() -> None:
    answered = answers([("cat", "cat"), ("dog", "dog")])
    found, _, unknown = measure(answered, ("rmse", "roc_auc", "politeness"), Reading())
    assert unknown == {
        "rmse": "the answers, or what was expected, are no numbers",
        "roc_auc": "the evaluation set names no 'scores' output",
    }
    assert "politeness" not in found
    assert not known("politeness") and known("latency_p95_ms") and known("f1_weighted")


def test_lists_are_compared_value_by_value_and_the_first_of_several_answers_counts_for_one() -> None:
    lists = [Answered({"y": [1, 2, 3]}, {}, {"y": [1, 2, 4]}, 0.01), Answered({"y": 7}, {}, {"y": [7, 9]}, 0.01)]
    assert measure(lists, (), Reading())[0]["accuracy"] == 0.75
