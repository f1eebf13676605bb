"""Feedback as it is sent: whatever comes is a report, or refused with its place and the reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.sources.reports import Refused, Report, parse
from tidegate.spec.errors import NeedsPerson

GOOD = {"request_id": "a", "metric": "m", "value": 1}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(GOOD),
        json.dumps([GOOD]),
        json.dumps({"feedback": [GOOD]}),
        json.dumps(GOOD) + "\n\n" + json.dumps(GOOD),
    ],
)
def test_one_a_list_a_mapping_or_lines(body: str) -> None:
    assert set(parse(body.encode())) == {Report("a", "m", 1.0)}


def test_a_time_is_iso_or_epoch_seconds() -> None:
    bodies = [{**GOOD, "time": time} for time in ("2027-01-15T08:00:00Z", "2027-01-15T09:00:00+01:00", 1_800_000_000)]
    assert {one.at for one in parse(json.dumps(bodies).encode()) if isinstance(one, Report)} == {1_800_000_000.0}


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ([], "it is no mapping"),
        ({**GOOD, "vale": 1}, "unknown field 'vale'"),
        ({"metric": "m", "value": 1}, "'request_id' must be text of 1 to 200 characters"),
        ({**GOOD, "metric": ""}, "'metric' must be text of 1 to 200 characters"),
        ({**GOOD, "metric": "m" * 201}, "'metric' must be text of 1 to 200 characters"),
        ({**GOOD, "value": True}, "'value' must be a number; write 1 and 0 for true and false"),
        ({**GOOD, "value": "1"}, "'value' must be a number; write 1 and 0 for true and false"),
        ({**GOOD, "value": None}, "'value' must be a number; write 1 and 0 for true and false"),
        ({**GOOD, "time": "soon"}, "'time' must be ISO 8601 or epoch seconds"),
        ({**GOOD, "time": True}, "'time' must be ISO 8601 or epoch seconds"),
    ],
)
def test_what_is_no_report_is_refused_by_its_place_and_the_others_are_taken(item: object, why: str) -> None:
    assert list(parse(json.dumps([GOOD, item, GOOD]).encode())) == [
        Report("a", "m", 1.0), Refused(2, why), Report("a", "m", 1.0),
    ]  # fmt: skip


def test_a_broken_line_is_refused_by_its_number() -> None:
    body = f"{json.dumps(GOOD)}\n{{broken\n{json.dumps(GOOD)}".encode()
    assert list(parse(body))[1] == Refused(2, "it is no JSON")


@pytest.mark.parametrize("body", [b"", b"no JSON", b"3", b'"text"', b"null", b"\xff\xfe", b"{"])
def test_what_is_neither_json_nor_lines_is_refused_whole(body: bytes) -> None:
    with pytest.raises(NeedsPerson):
        list(parse(body))


FIELDS = st.sampled_from(["request_id", "metric", "value", "time"])


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_comes_is_a_report_or_told(body: bytes) -> None:
    try:
        found = list(parse(body))
    except NeedsPerson as error:
        assert error.fix
        return
    for one in found:
        assert isinstance(one, Report | Refused)
        if isinstance(one, Report):
            assert list(parse(json.dumps(one.to_json()).encode())) == [one]
