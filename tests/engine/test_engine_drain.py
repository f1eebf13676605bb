"""How long a server goes on after it was last needed."""

from __future__ import annotations

from tidegate.engine.demand import drain_of
from tidegate.rollout.state import Desired
from tidegate.spec.model import Model
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

RELEASE = Release("digits", "1.0.0", None, "a" * 64, "b" * 64, "c0ffee")


def model(**more: object) -> Model:
    whole = {"api": "tidegate/v1", "kind": "Model", "name": "digits", "summary": "x", "owners": ["team-a"]}
    return Model.model_validate(whole | {"protocol": "http"} | more)


def test_no_answer_is_cut_that_the_model_s_file_allows() -> None:
    policy = PolicyFields.model_validate({"steps": [{"name": "all", "weight": "100%"}], "drain": "20s"})
    wish = Desired(RELEASE, policy, "c0ffee")
    assert drain_of(None, model()) is None
    assert drain_of(wish, None) == 20.0
    assert drain_of(wish, model()) == 20.0, "the usual minute is nobody's word"
    assert drain_of(wish, model(timeout="10m")) == 600.0
    assert drain_of(wish, model(timeout="5s")) == 20.0
