"""Do two answers say the same: by each way of comparing, and what is neither agreement nor disagreement."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tidegate.analysis.agreement import SHOWN, Answer, UnreadableError, compare, document, shown, suited
from tidegate.spec.comparison import Comparison


def answer(content: Any, status: int = 200, kind: str = "application/json", **more: Any) -> Answer:
    """An answer that was kept whole."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status, body, len(body), kind, **more)


def said(one: Any, other: Any, protocol: str = "http", **declared: Any) -> str | None:
    """Why they differ; None when they agree."""
    way = Comparison(**declared) if declared else None
    found = compare(suited(way, protocol), answer(one), answer(other))
    assert found.agree == (not found.why)
    return found.why or None


OIP = {"model_name": "m", "id": "1", "outputs": [{"name": "label", "data": [3, 0.25]}]}


@pytest.mark.parametrize(
    ("one", "other", "how", "why"),
    [
        (b"abc", b"abc", {"by": "exact"}, None),
        (b"abc", b"abd", {"by": "exact"}, "the answers differ"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"by": "json"}, None),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, {"by": "json"}, "a[1].b is 3 instead of 2"),
        ({"a": 1}, {"a": True}, {"by": "json"}, "a is true instead of 1"),
        ({"a": 1}, {"b": 1}, {"by": "json"}, "only the stable answer has a"),
        ({"a": [1]}, {"a": [1, 2]}, {"by": "json"}, "a has 2 values instead of 1"),
        ({"id": 1, "x": [{"id": 2}]}, {"id": 3, "x": [{"id": 4}]}, {"by": "json", "ignore": ["id"]}, None),
        ({"y": " Cat"}, {"y": "cat"}, {"by": "label", "paths": ["y"]}, None),
        ({"y": 3}, {"y": "3"}, {"by": "label", "paths": ["y"]}, None),
        ({"y": "cat"}, {"y": "dog"}, {"by": "label", "paths": ["y"]}, 'y is "dog" instead of "cat"'),
        ({"y": 1.0}, {"y": 1.04}, {"by": "numeric", "tolerance": 0.05}, None),
        ({"y": 1.0}, {"y": 1.06}, {"by": "numeric", "tolerance": 0.05}, "y is 1.06 instead of 1.0"),
        ({"y": 1000}, {"y": 1009}, {"by": "numeric", "relative": "1%"}, None),
        ({"y": "a"}, {"y": "b"}, {"by": "numeric", "tolerance": 9}, 'y is "b" instead of "a"'),
        ({"t": "the cat sat"}, {"t": "the cat sat."}, {"by": "text", "paths": ["t"]}, None),
        ({"t": "yes"}, {"t": "no way"}, {"by": "text", "paths": ["t"]}, "the texts are 22% alike, 80% are asked for"),
        ({"t": "yes"}, {}, {"by": "json", "paths": ["t"]}, "only the stable answer has t"),
    ],
)
def test_each_way_says_what_differs(one: Any, other: Any, how: dict[str, Any], why: str | None) -> None:
    assert said(one, other, **how) == why


def test_what_suits_the_protocol_is_compared_where_nothing_is_declared() -> None:
    assert said(OIP, OIP | {"id": "2", "model_version": "2"}, "open-inference") is None
    changed = OIP | {"outputs": [{"name": "label", "data": [4, 0.25]}]}
    assert said(OIP, changed, "open-inference") == "outputs[].data[0][0] is 4 instead of 3"
    chat = {"id": "a", "choices": [{"message": {"content": "Paris is the capital of France."}}]}
    assert said(chat, chat | {"id": "b"}, "openai") is None
    assert said({"data": [{"embedding": [0.1, 0.2]}]}, {"data": [{"embedding": [0.1, 0.3]}]}, "openai") is not None
    assert said({"object": "list", "created": 1}, {"object": "list", "created": 2}, "openai") is None
    assert said(b"plain", b"plain") is None
    assert said(b"plain", b"other") == "the answers differ"


def test_a_stream_of_pieces_is_compared_with_the_answer_that_came_at_once() -> None:
    pieces = [{"choices": [{"delta": {"content": word}}]} for word in ("Paris is ", "the capital.")]
    stream = b"".join(b"data: %s\n\n" % json.dumps(piece).encode() for piece in pieces) + b"data: [DONE]\n\n"
    whole = answer({"choices": [{"message": {"content": "Paris is the capital."}}]})
    streamed = answer(stream, kind="text/event-stream; charset=utf-8")
    ways = suited(None, "openai")
    assert compare(ways, whole, streamed).agree
    assert compare(ways, streamed, streamed).agree
    assert document(stream, "text/event-stream")["events"] == pieces


def test_another_status_is_a_disagreement_whatever_stands_in_the_body() -> None:
    found = compare(suited(None, "http"), answer({}), answer({}, 503))
    assert (found.agree, found.why) == (False, "status 503 instead of 200")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (Answer(200, b'{"a":', 99, "application/json"), "an answer of 99 bytes was not kept whole"),
        (answer(b"{}", encoding="br"), "an answer is encoded as br"),
        (answer(b"{}", encoding="gzip"), "an answer is no gzip"),
        (answer(b"<html>"), "an answer is no JSON"),
    ],
)
def test_what_cannot_be_read_is_neither_agreement_nor_disagreement(other: Answer, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        compare((Comparison(by="json"),), answer({"a": 1}), other)


def test_nothing_at_the_paths_is_no_agreement() -> None:
    with pytest.raises(UnreadableError, match="neither answer has anything at label"):
        said({"a": 1}, {"a": 1}, by="label", paths=["label"])


def test_packed_answers_are_unpacked() -> None:
    packed = answer(gzip.compress(b'{"a": 1}'), encoding="gzip")
    assert compare((Comparison(by="json"),), answer({"a": 1}), packed).agree


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_an_answer_agrees_with_itself_and_agreement_has_no_direction(one: Any, other: Any) -> None:
    for way in (Comparison(by="json"), Comparison(by="numeric", tolerance=0.5), Comparison(by="exact")):
        assert compare((way,), answer([one]), answer([one])).agree
        forth, back = compare((way,), answer([one]), answer([other])), compare((way,), answer([other]), answer([one]))
        assert forth.agree == back.agree


@given(JSON, st.sampled_from(["a", "b", "*"]))
def test_what_is_redacted_is_not_shown(value: Any, name: str) -> None:
    secret = "hunter2"
    text = shown(answer({"a": secret, "x": [{"b": secret, "v": value}], "*": secret}), (name,))
    assert len(text) <= SHOWN
    if name == "*":
        assert secret not in text
    else:
        assert text.count(secret) == 2


def test_plain_text_is_hidden_whole_where_anything_is() -> None:
    assert shown(answer(b"hello", kind="text/plain"), ()) == "hello"
    assert shown(answer(b"hello", kind="text/plain"), ("name",)) == "(redacted)"
    assert shown(Answer(200, b"he", 5), ()) == "(an answer of 5 bytes was not kept whole)"


@pytest.mark.parametrize(
    "declared",
    [
        {"by": "exact", "paths": ["a"]},
        {"by": "json", "tolerance": 1},
        {"by": "text", "ignore": ["id"]},
        {"by": "label"},
        {"by": "numeric", "tolerance": -1},
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(declared: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Comparison(**declared)
