"""A file made to hold the validator up ends like any other: bounded by its size, with a finding that says why."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import pytest

from tidegate.spec.declared import load_document
from tidegate.spec.source import MAX_BYTES
from tidegate.spec.version import ModelVersion

PATH = "models/digits/versions/1.0.0.yaml"


def full(text: str) -> bytes:
    return (text * (MAX_BYTES // len(text) + 1)).encode()[:MAX_BYTES]


def lines(form: str) -> bytes:
    """As many lines of that form, with their number in it, as a file may have."""

    def some() -> Iterator[str]:
        size = number = 0
        while (size := size + len(line := form.format(number) + "\n")) < MAX_BYTES - 100:
            yield line
            number += 1

    return "".join(some()).encode()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(full("["), "yaml-feature", id="brackets"),
        pytest.param(full("{a: "), "yaml-feature", id="braces"),
        pytest.param(full("- "), "yaml-feature", id="dashes"),
        pytest.param(full("? "), "yaml-feature", id="questions"),
        pytest.param(b"a: &a 1\nb:\n" + full("- *a\n")[:-20], "yaml-feature", id="aliases"),
        pytest.param(lines("k{0}: 1\nk{0}: 1"), "duplicate-key", id="doubled keys"),
        pytest.param(lines("k{0}: 1"), "unknown-field", id="unknown fields"),
        pytest.param(b"{" + lines("k{0}: 1,") + b"}", "unknown-field", id="unknown fields in braces"),
        pytest.param(lines("%TAG !a{0}! x") + b"---\na: 1\n", "yaml-feature", id="directives"),
        pytest.param(b"api: " + full("9")[:-9], "odd-number", id="a long number"),
        pytest.param(full("a")[:-9] + b": 1", "yaml-syntax", id="a long key"),
        pytest.param(b'reason: "' + full("\\u00e9")[: 6 * 170_000] + b'"', "missing-field", id="escapes"),
        pytest.param(full("\t"), "yaml-syntax", id="tabs"),
        pytest.param(full("'"), "wrong-type", id="quotes"),
        pytest.param(full("\0"), "yaml-syntax", id="nothing"),
        pytest.param(full("a: 1\n") + b"xx", "file-size", id="too large"),
    ],
)
def test_a_file_that_is_made_to_take_long_does_not(text: bytes, code: str) -> None:
    started = time.process_time()
    document, problems = load_document(ModelVersion, text, PATH)
    assert time.process_time() - started < 60, "seconds of work, on a machine that may be slow and busy"
    assert document is None
    assert code in {problem.code for problem in problems}


def test_where_there_is_too_much_to_tell_the_last_says_how_much_more() -> None:
    _, problems = load_document(ModelVersion, b"api: tidegate/v1\nkind: ModelVersion\n" + lines("k{0}: 1")[:5000], PATH)
    assert len(problems) == 100
    assert any("more in this file)" in problem.message for problem in problems)


def test_memory_is_a_small_multiple_of_what_is_read() -> None:
    text = b"[" + full("1,")[: 64 * 1024 - 1] + b"]"
    tracemalloc.start()
    try:
        load_document(ModelVersion, text, PATH)
        assert tracemalloc.get_traced_memory()[1] < 400 * len(text)
    finally:
        tracemalloc.stop()
