"""What a validation consists of: which sets, whether anything is to be sent, and when two of them are the same."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.engine.staging import plan_of
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.model import Model
from tidegate.spec.policy import Validate
from tidegate.spec.release import Release

SET = {"uri": "file:set.jsonl", "sha256": "a" * 64, "examples": 50}
SAMPLES = {"uri": "file:samples.jsonl", "sha256": "b" * 64}
IMAGE = f"registry.example.com/evaluator@sha256:{'c' * 64}"


def release(digest: str = "d") -> Release:
    return Release("digits", "2.0.0", None, digest * 64, "e" * 64, "f" * 40)


def model(**acceptance: Any) -> Model:
    return Model.model_validate({
        "api": "tidegate/v1", "kind": "Model", "name": "digits", "summary": "Reads.", "owners": ["vision"],
        "protocol": "http", "acceptance": acceptance,
    })  # fmt: skip


def how(**fields: Any) -> Validate:
    return Validate.model_validate(fields)


def test_a_model_without_a_set_and_a_policy_without_requests_ask_for_nothing() -> None:
    assert plan_of(release(), model(metrics={"accuracy": {"min": 0.9}}), how()) is None
    assert plan_of(release(), model(evaluation_set=SET), how(measure="none")) is None


def test_requests_come_from_the_samples_else_from_the_set_and_are_not_sent_twice() -> None:
    with_set = model(evaluation_set=SET)
    plan = plan_of(release(), with_set, how(requests=50))
    assert plan is not None
    assert (plan.examples, plan.samples) == (with_set.acceptance.evaluation_set, None)
    more = plan_of(release(), with_set, how(requests=51))
    assert more is not None and more.samples is with_set.acceptance.evaluation_set
    alone = plan_of(release(), with_set, how(requests=5, measure="none"))
    assert alone is not None and alone.examples is None and alone.samples is with_set.acceptance.evaluation_set
    own = plan_of(release(), with_set, how(requests=5, image=IMAGE))
    assert own is not None and own.samples is not None
    other = how(requests=5, samples=SAMPLES)
    sampled = plan_of(release(), model(), other)
    assert sampled is not None and sampled.samples is other.samples
    with pytest.raises(NeedsPerson, match="there are none to send"):
        plan_of(release(), model(), how(requests=5))


def test_the_same_question_has_the_same_key_and_another_one_another() -> None:
    def key(digest: str = "d", *, acceptance: dict[str, Any] | None = None, **fields: Any) -> str:
        plan = plan_of(release(digest), model(**(acceptance or {"evaluation_set": SET})), how(**fields))
        assert plan is not None
        return plan.key

    assert key() == key(timeout="2h", evaluation="required")
    moved = {"evaluation_set": SET | {"uri": "https://example.com/set.jsonl", "min_examples": 9}}
    assert key() == key(acceptance=moved)
    others = {
        key(), key("e"), key(image=IMAGE), key(command=["evaluate"]), key(concurrency=1),
        key(acceptance={"evaluation_set": SET | {"sha256": "9" * 64}}),
        key(acceptance={"evaluation_set": SET, "metrics": {"f1_macro": {"min": 0.5}}}),
        key(requests=5, samples=SAMPLES),
    }  # fmt: skip
    assert len(others) == 8


def test_an_evaluator_s_image_is_pinned() -> None:
    for floating in ("registry.example.com/evaluator:1.2", "registry.example.com/evaluator", f"x@sha256:{'c' * 63}"):
        with pytest.raises(ValueError, match="image"):
            how(image=floating)
