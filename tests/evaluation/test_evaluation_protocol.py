"""What is sent and what must come back, in each protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.evaluation.examples import Example, read_examples
from tidegate.evaluation.job import Job, Measured, Target
from tidegate.evaluation.protocol import BadAnswer, body_of, outputs_of, path_of
from tidegate.spec.errors import NeedsPerson

HERE = "gateway.sock"
DIGIT = {"name": "digit", "datatype": "INT64", "shape": [-1, 1]}
ANY = Example(1, {"inputs": []})


def oip(*outputs: dict[str, Any]) -> Target:
    return Target(HERE, "open-inference", "digits", outputs)


def tensor(data: Any, shape: list[int], datatype: str = "INT64", name: str = "digit") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def answer(*tensors: dict[str, Any]) -> bytes:
    return json.dumps({"outputs": list(tensors)}).encode()


def test_each_protocol_has_its_place() -> None:
    chat, text = Example(1, {"messages": []}), Example(2, {"prompt": "hi"})
    assert path_of(oip(), ANY) == "/v2/models/digits/infer"
    assert path_of(Target(HERE, "openai", "m"), chat) == "/v1/chat/completions"
    assert path_of(Target(HERE, "openai", "m"), text) == "/v1/completions"
    assert path_of(Target(HERE, "http", "m"), text) == "/"
    assert path_of(oip(), Example(1, {}, path="predict")) == "/predict"


def test_an_openai_request_names_a_model_and_never_streams() -> None:
    sent = json.loads(body_of(Target(HERE, "openai", "m"), Example(1, {"prompt": "hi", "stream": True})))
    assert sent == {"model": "m", "prompt": "hi", "stream": False}


def test_an_answer_as_declared_is_flat_by_name() -> None:
    assert outputs_of(oip(DIGIT), ANY, answer(tensor([[3]], [1, 1]))) == {"digit": [3]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html>", "the answer is no JSON"),
        (b"[]", "the answer has no list 'outputs'"),
        (answer(), "output 'digit' is missing"),
        (answer(tensor([3], [1, 1], "INT32")), "output 'digit' is INT32, the signature says INT64"),
        (answer(tensor([3, 4], [1, 2])), r"output 'digit' has the shape \[1, 2\], the signature says \[-1, 1\]"),
        (answer(tensor([3, 4], [1, 1])), r"output 'digit' has 2 values, its shape \[1, 1\] says 1"),
        (answer(tensor([3.5], [1, 1])), "output 'digit' holds 3.5, which is no INT64"),
        (answer(tensor([None], [1, 1])), "output 'digit' holds null, which is no INT64"),
        (answer(tensor([True], [1, 1])), "output 'digit' holds true, which is no INT64"),
        (answer(tensor(None, [1, 1])), "output 'digit' has no list 'data' with its 'shape'"),
        (answer(tensor([3], [1, 1]), tensor([float("nan")], [1], "FP32", "p")), "output 'p' holds nan"),
        (answer(tensor([3], [1, 1]), tensor([float("-inf")], [1], "FP32", "p")), "output 'p' holds -inf"),
    ],
)  # fmt: skip
def test_an_answer_that_breaks_protocol_or_signature_says_how(content: bytes, why: str) -> None:
    with pytest.raises(BadAnswer, match=why):
        outputs_of(oip(DIGIT), ANY, content)


def test_outputs_that_were_not_asked_for_need_not_come() -> None:
    example = Example(1, {"inputs": [], "outputs": [{"name": "p"}]})
    assert outputs_of(oip(DIGIT), example, answer(tensor([0.5], [1], "FP32", "p"))) == {"p": [0.5]}


def test_texts_of_chat_and_of_completions() -> None:
    target = Target(HERE, "openai", "m")
    chat = json.dumps({"choices": [{"message": {"content": " Paris\n"}}]}).encode()
    plain = json.dumps({"choices": [{"text": "Rome"}]}).encode()
    assert outputs_of(target, ANY, chat) == {"": "Paris"}
    assert outputs_of(target, ANY, plain) == {"": "Rome"}
    for broken in (b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": null}}]}'):
        with pytest.raises(BadAnswer, match="the answer"):
            outputs_of(target, ANY, broken)


def test_plain_http_is_held_to_its_signature_too() -> None:
    target = Target(HERE, "http", "m", ({"name": "score", "datatype": "FP32"},))
    assert outputs_of(target, ANY, b'{"score": 0.5}')["score"] == 0.5
    for broken, why in (
        (b'{"x": 1}', "'score' is missing"),
        (b'{"score": "high"}', '"high", which is no FP32'),
        (b'{"score": NaN}', "nan"),
    ):
        with pytest.raises(BadAnswer, match=why):
            outputs_of(target, ANY, broken)


def test_a_set_is_read_line_by_line_and_a_bad_line_is_named() -> None:
    found = read_examples(b'{"input": 1, "slice": {"pen": 2}}\n\n{"input": 2, "slices": {"pen": "b"}}\n', "set")
    assert [(one.number, one.slices) for one in found] == [(1, {"pen": "2"}), (3, {"pen": "b"})]
    for content, why in (
        (b"", "no examples"),
        (b"{}", "line 1 has no 'input'"),
        (b'{"input": 1, "slice": [1]}', "no mapping"),
    ):
        with pytest.raises(NeedsPerson, match=why):
            read_examples(content, "set")


def test_jobs_and_reports_travel_as_json() -> None:
    job = Job(oip(DIGIT), "set.jsonl", "ab" * 32, metrics=("accuracy",), labels=(1, "a"), limit=5, gentle=True)
    assert Job.of(json.loads(json.dumps(job.to_doc()))) == job
    report = Measured("ab" * 32, 3, 1, ("example 2: no",), {"accuracy": 0.5}, {"pen": {"a": {"accuracy": 1.0}}})
    assert Measured.of(json.loads(json.dumps(report.to_doc()))) == report
