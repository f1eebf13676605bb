"""Reading YAML: what it means, where it stands, and what is refused."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml_layouts import canonical, documents, layouts

from tidegate.spec import source
from tidegate.spec.source import MAX_BYTES, MAX_DEPTH, Problem, parse


def only(text: str | bytes) -> Problem:
    """The one problem of a text."""
    found = parse(text.encode() if isinstance(text, str) else text, "a.yaml").problems
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("TRUE", True),
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("y", "y"), ("N", "N"),
        ("null", None), ("~", None), ("", None),
        ("12", 12), ("-12", -12), ("+12", 12), ("0", 0), ("-0", 0), ("0x1F", 31), ("0o17", 15), ("1_000", "1_000"),
        ("1.5", 1.5), ("-.5", -0.5), ("1.", 1.0), ("1e3", 1000.0), ("1.5E-3", 0.0015), (".", "."),
        ("22:22", "22:22"), ("1:30:00", "1:30:00"), ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        ("0b11", "0b11"), ("1.2.3", "1.2.3"), ("6cb5bdf", "6cb5bdf"), ("=", "="),
        ("'1'", "1"), ('"true"', "true"), ("!!str 1.10", "1.10"),
    ],
)  # fmt: skip
def test_scalars_mean_what_yaml_1_2_core_says(text: str, value: Any) -> None:
    data = parse(f"a: {text}\n".encode(), "a.yaml")
    assert data.problems == ()
    assert canonical(data.data["a"]) == canonical(value)


def test_every_value_and_key_has_its_line_and_column() -> None:
    text = b"# first\napi: x\nsteps:\n  - {name: a, weight: 5%}\n  - name: b\n    weight: 10%\nlast:\n  deep: [1, 2]\n"
    read = parse(text, "a.yaml")
    assert read.at(("api",)) == (2, 6)
    assert read.at(("steps", 0, "weight")) == (4, 23)
    assert read.at(("steps", 0, "weight"), key=True) == (4, 15)
    assert read.at(("steps", 1, "weight")) == (6, 13)
    assert read.at(("last", "deep", 1)) == (8, 13)
    assert read.at(()) == (2, 1)


def test_a_missing_field_is_placed_at_the_nearest_thing_around_it() -> None:
    read = parse(b"a:\n  b: {c: 1}\n", "a.yaml")
    assert read.at(("a", "b", "nope", 3)) == read.at(("a", "b")) == (2, 6)
    assert read.at(("nope",)) == (1, 1)
    assert parse(b"", "a.yaml").at(("a",)) == (1, 1)


def test_raw_text_and_tag_of_a_value_can_be_asked_for() -> None:
    read = parse(b"a: 1.10\nb: [x]\n", "a.yaml")
    assert read.raw(("a",)) == ("float", "1.10")
    assert read.raw(("b",)) == ("seq", "")
    assert read.raw(("b", 0)) == ("str", "x")
    assert read.raw(("c",)) is None


@given(st.data())
def test_any_layout_of_the_same_data_reads_as_that_data(draw: st.DataObject) -> None:
    data = draw.draw(documents)
    read = parse(draw.draw(layouts(data)).encode(), "a.yaml")
    assert read.problems == ()
    assert canonical(read.data) == canonical(data)


@given(st.binary(max_size=200) | st.text("abc:-[]{}#&*!|>'\"%@` \n\t,?0123456789.~<", max_size=120).map(str.encode))
def test_no_bytes_make_the_reader_raise(text: bytes) -> None:
    read = parse(text, "a.yaml")
    assert read.tree is not None or read.problems
    lines = text.decode("utf-8", "replace").splitlines() or [""]
    assert all(1 <= problem.line <= len(lines) + 1 and problem.column >= 1 and problem.fix for problem in read.problems)


@pytest.mark.parametrize(
    ("text", "place", "code", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1), "duplicate-key", "line 1"),
        ("a: {b: 1, b: 1}\n", (1, 11), "duplicate-key", "'b'"),
        ("a: &x 1\n", (1, 4), "yaml-feature", "&x"),
        ("a: !custom 1\n", (1, 4), "yaml-feature", "!custom"),
        ("a: !!python/name:os.system x\n", (1, 4), "yaml-feature", "!!python/name:os.system"),
        ("a: !!int 3\n", (1, 4), "yaml-feature", "!!int"),
        ("a: ! x\n", (1, 4), "yaml-feature", "'!'"),
        ("<<: {a: 1}\n", (1, 1), "yaml-feature", "'<<'"),
        ("a: 1\n---\nb: 1\n", (2, 1), "yaml-feature", "second document"),
        ("1: x\n", (1, 1), "key-type", "'1'"),
        ("a: {true: x}\n", (1, 5), "key-type", "'true'"),
        ("? [a]\n: 1\n", (1, 3), "key-type", "text"),
        ("a: 010\n", (1, 4), "odd-number", "octal"),
        ("a: .nan\n", (1, 4), "odd-number", "finite"),
        ("a: -.inf\n", (1, 4), "odd-number", "finite"),
        ("a: 1e999\n", (1, 4), "odd-number", "finite"),
        ("a: 18446744073709551616\n", (1, 4), "odd-number", "64 bits"),
        ("a: 0x1ffffffffffffffff\n", (1, 4), "odd-number", "64 bits"),
        ("commit: 123e4567\n", (1, 9), "unquoted-identifier", "123e4567"),
        ("version: 010\n", (1, 10), "unquoted-identifier", "010"),
        ("a: " + "9" * 5000 + "\n", (1, 4), "odd-number", "64 bits"),
        ("", (1, 1), "yaml-syntax", "empty"),
        ("# nothing\n", (1, 1), "yaml-syntax", "empty"),
        ("a:\n\tb: 1\n", (2, 1), "yaml-syntax", "tab"),
        ("a: @b\n", (1, 4), "yaml-syntax", "'@'"),
        ("a: b: c\n", (1, 5), "yaml-syntax", "': '"),
        ("a: [1, 2\n", (2, 1), "yaml-syntax", "line 1, column 4"),
        ("a: {b: 1\nc: 2\n", (2, 2), "yaml-syntax", "line 1, column 4"),
        ("a: 'x\n", (2, 1), "yaml-syntax", "quotes"),
        ('a: "\\q"\n', (1, 5), "yaml-syntax", "escape"),
        ("- a\nb: 1\n", (2, 1), "yaml-syntax", "line 1, column 1"),
        ("a: 1\nbcd\n", (3, 1), "yaml-syntax", "line 2"),
        ("a: 1\n<<<<<<< ours\nb: 2\n=======\nb: 3\n>>>>>>> theirs\n", (2, 1), "yaml-syntax", "merge conflict"),
        ("a: ok\nb: \x07\n", (2, 4), "yaml-syntax", "control character"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_clever_or_broken_is_told_at_its_place(
    text: str, place: tuple[int, int], code: str, words: str
) -> None:
    problem = only(text)
    assert (problem.line, problem.column) == place
    assert problem.code == code
    assert words in problem.message
    assert problem.fix


def test_an_alias_is_told_beside_the_anchor_that_it_repeats() -> None:
    problems = parse(b"a: &x 1\nb: *x\n", "a.yaml").problems
    assert [(p.line, p.column, p.code) for p in problems] == [(1, 4, "yaml-feature"), (2, 4, "yaml-feature")]


def test_a_billion_laughs_end_as_a_few_problems() -> None:
    text = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*{'a' if i == 0 else f'b{i - 1}'}, *a]\n" for i in range(20))
    assert {p.code for p in parse(text.encode(), "a.yaml").problems} == {"yaml-feature"}


def test_bytes_that_are_not_utf_8_are_placed() -> None:
    problem = only("a: ü\nb: ".encode() + b"\xfc\n")
    assert (problem.code, problem.line, problem.column) == ("file-encoding", 2, 4)
    assert only("a: 1".encode("utf-16")).code == "file-encoding"


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse(b"\xef\xbb\xbfa: 1\n", "a.yaml").data == {"a": 1}


def test_a_file_has_a_largest_size() -> None:
    assert parse(b"a: 1\n#" + b"x" * (MAX_BYTES - 6), "a.yaml").problems == ()
    assert only(b"a: 1\n#" + b"x" * MAX_BYTES).code == "file-size"


def test_depth_is_bounded_where_a_stack_would_be() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "a.yaml").problems == ()
    assert only(b"a: " + b"[" * 100_000).code == "yaml-feature"


def test_one_pass_tells_all_that_is_wrong_and_keeps_the_rest() -> None:
    read = parse(b"a: &x 1\nb: 2\nb: 3\nc: [ok]\n", "a.yaml")
    assert [p.code for p in read.problems] == ["yaml-feature", "duplicate-key"]
    assert read.data == {"a": 1, "b": 2, "c": ["ok"]}


@pytest.fixture(scope="module")
def without_libyaml() -> ModuleType:
    """source.py as it loads where PyYAML was built without libyaml."""
    kept = sys.modules.get("yaml.cyaml")
    sys.modules["yaml.cyaml"] = None  # type: ignore[assignment]  # this is how an import is made to fail
    try:
        spec = importlib.util.spec_from_file_location("source_without_libyaml", source.__file__)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        del sys.modules["yaml.cyaml"]
        if kept is not None:
            sys.modules["yaml.cyaml"] = kept
    return module


@given(st.data())
def test_without_libyaml_the_same_is_read_at_the_same_places(without_libyaml: ModuleType, draw: st.DataObject) -> None:
    text = draw.draw(layouts(draw.draw(documents))).encode()
    assert without_libyaml.parse(text, "a.yaml").tree == parse(text, "a.yaml").tree


@pytest.mark.parametrize(
    "text",
    ["a: &x 1\n", "a: 1\na: 2\n", "a:\n\tb: 1\n", "a: [1\n", "a: 'x\n", "", "a: @b\n", "a: \x07\n", "- a\nb: 1\n"],
)
def test_without_libyaml_the_same_problems_are_told(without_libyaml: ModuleType, text: str) -> None:
    ours, theirs = only(text), without_libyaml.parse(text.encode(), "a.yaml").problems[0]
    assert (ours.line, ours.code, ours.message, ours.fix) == (theirs.line, theirs.code, theirs.message, theirs.fix)
