"""What differs between two files, told by fields; how fast steps go at a traffic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.spec.difference import differences
from tidegate.spec.model import Traffic
from tidegate.spec.pace import paces
from tidegate.spec.policy import Step
from tidegate.spec.source import parse


def told(before: str, after: str, **options: Any) -> list[tuple[str, str | None, str | None]]:
    found = differences(parse(before.encode(), "a.yaml"), parse(after.encode(), "a.yaml"), **options)
    return [(one.field, one.before, one.after) for one in found]


def test_layout_comments_and_the_order_of_keys_are_no_difference() -> None:
    assert told("a: 1\nb: {c: 'x', d: [1, 2]}\n", "b:\n  d: [1,2] # two\n  c: x\na: 1\n") == []


def test_a_field_is_told_by_its_path() -> None:
    assert told("a: {b: {c: 1}}\n", "a: {b: {c: 2}}\n") == [("a.b.c", "1", "2")]
    assert told('v: "1"\n', "v: 1\n") == [("v", "1", "1")]


def test_what_is_new_or_gone_is_told_whole() -> None:
    assert told("a: 1\n", "a: 1\nb: {c: 1, d: x}\n") == [("b", None, "{c: 1, d: x}")]
    assert told("a: 1\nb: [1, 2]\n", "a: 1\n") == [("b", "[1, 2]", None)]
    assert told("a: {}\n", "a: {b: 1}\n") == [("a", "{}", "{b: 1}")]


def test_lists_of_named_parts_are_compared_by_name() -> None:
    before = "steps: [{name: a, weight: 1%}, {name: b, weight: 5%}]\n"
    after = "steps: [{name: b, weight: 9%}, {name: c, weight: 50%}]\n"
    assert told(before, after) == [
        ("steps[b].weight", "5%", "9%"),
        ("steps[c]", None, "{name: c, weight: 50%}"),
        ("steps[a]", "{name: a, weight: 1%}", None),
    ]


def test_other_lists_of_parts_are_compared_by_position_and_plain_ones_whole() -> None:
    assert told("g: [{m: 1}, {m: 2}]\n", "g: [{m: 1}, {m: 3}]\n") == [("g[2].m", "2", "3")]
    assert told("g: [1, 2]\n", "g: [1, 3]\n") == [("g", "[1, 2]", "[1, 3]")]
    assert told("g: [{m: 1}]\n", "g: {m: 1}\n") == [("g", "[{m: 1}]", "{m: 1}")]


def test_digests_and_long_texts_are_cut() -> None:
    assert told("", f"d: {'ab' * 32}\nt: {'word ' * 20}\nl: {list(range(40))}\n") == [
        ("d", None, "abababab…"),
        ("t", None, "word word word word word word word word…"),
        ("l", None, "40 entries"),
    ]


LONG = [f"--flag-{number}" for number in range(20)]
TALE = "You answer in one sentence, in the words of whoever asks. "


@pytest.mark.parametrize(
    ("before", "after", "was", "now"),
    [
        (LONG, [*LONG[:9], "0.8", *LONG[10:]], "[…, --flag-9, …]", "[…, 0.8, …]"),
        (LONG, [*LONG, "--more"], "[…]", "[…, --more]"),
        (LONG, LONG[1:], "[--flag-0, …]", "[…]"),
        (LONG, ["x"], "[--flag-0, --flag-1, --flag-2, --flag-3,…]", "[x]"),
        (LONG, [], "20 entries", "[]"),
        (
            TALE * 3 + "Be kind.",
            TALE * 3 + "Be brief.",
            "…of whoever asks. Be kind.",
            "…of whoever asks. Be brief.",
        ),
        (
            "x" + TALE,
            "y" + TALE,
            "xYou answer in one sentence, in the wor…",
            "yYou answer in one sentence, in the wor…",
        ),
    ],
)
def test_of_what_is_too_long_the_part_that_differs_is_told(before: Any, after: Any, was: str, now: str) -> None:
    assert told(json.dumps({"a": before}), json.dumps({"a": after})) == [("a", was, now)]


def test_what_is_left_out_and_what_only_tells_is_marked() -> None:
    before, after = parse(b"a: 1\nreason: x\nkind: K\n", "a"), parse(b"a: 2\nreason: y\nkind: L\n", "a")
    found = differences(before, after, without={"kind"}, told={"reason"})
    assert [(one.field, one.told) for one in found] == [("a", False), ("reason", True)]
    assert differences(None, after, without={"kind", "reason"})[0].after == "2"


def step(**fields: Any) -> Step:
    return Step.model_validate({"name": "s", **fields}, by_alias=True, by_name=False)


def traffic(**fields: Any) -> Traffic:
    return Traffic.model_validate({"requests": 10, **fields}, by_alias=True, by_name=False)


@pytest.mark.parametrize(
    ("fields", "seconds", "rate"),
    [
        ({"weight": "10%", "for": "60s"}, 60, 1),
        ({"weight": "10%", "for": "60s", "min_requests": 100}, 100, 1),
        ({"weight": "10%"}, 1, 1),
        ({"weight": "100%", "holdback": "1%", "for": "60s"}, 60, 9.9),
        ({"segments": ["internal"], "for": "60s"}, 60, 2),
        ({"segments": ["internal"], "weight": "50%", "for": "60s"}, 60, 6),
        ({"weight": "0%", "for": "60s"}, float("inf"), 0),
        ({"shadow": "10%", "min_requests": 100}, 100, 1),
    ],
)
def test_a_step_takes_its_time_or_until_its_requests_have_come(
    fields: dict[str, Any], seconds: float, rate: float
) -> None:
    (pace,) = paces([step(**fields)], traffic(segments={"internal": "20%"})) or [None]
    assert pace is not None
    assert (pace.seconds, pace.rate) == (pytest.approx(seconds), pytest.approx(rate))
    assert pace.waits == (seconds > pace.step.duration)


def test_what_is_not_declared_is_not_reckoned() -> None:
    steps = [step(segments=["internal"]), step(shadow="10%"), step(weight="50%")]
    assert [pace is None for pace in paces(steps, traffic()) or []] == [True, False, False]
    assert paces(steps, traffic(), "archive") is None
    found = paces(steps[2:], traffic(features={"archive": "10%"}), "archive")
    assert found is not None and found[0] is not None and found[0].rate == pytest.approx(0.5)
