"""The baseline: what it hides and what never, how long its entries live, and what it looks like in git."""

from __future__ import annotations

import json

import pytest
from example_repo import example
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.api import blocking, read_by_rules, validate_files
from tidegate.rules.baseline import NAME, hide, parse, render
from tidegate.rules.finding import Finding
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.layout import wanted

PATH = "models/a/versions/1.0.0.yaml"
SOURCES = {PATH: b"api: x\nimage: a:1\nimage: a:1\nother: 1\n"}


def finding(line: int, rule: str = "floating-image", message: str = "m") -> Finding:
    return Finding(PATH, line, 8, rule, "error", message, "f")


def test_known_findings_are_hidden_and_new_ones_told() -> None:
    text, number = render([finding(2), finding(4)], SOURCES)
    sifted, gone = hide([finding(2), finding(3), finding(4)], SOURCES, parse(text))
    assert number == 2
    assert [one.line for one in sifted.kept] == [3], "the second of two like lines is a new one"
    assert [(one.finding.line, one.by) for one in sifted.silenced] == [(2, "baseline"), (4, "baseline")]
    assert gone == 0


def test_an_entry_lives_on_when_lines_move_and_words_change_but_not_when_the_line_does() -> None:
    entries = parse(render([finding(2)], SOURCES)[0])
    moved = {PATH: b"# above\napi: x\nsize: 1\nimage:   a:1\n"}
    assert hide([finding(4, message="reworded")], moved, entries)[0].kept == ()
    changed = {PATH: b"api: x\nimage: a:2\n"}
    assert hide([finding(2)], changed, entries) == (hide([finding(2)], changed, ())[0], 1)


def test_entries_that_find_nothing_any_more_are_counted() -> None:
    entries = parse(render([finding(2), finding(4)], SOURCES)[0])
    assert hide([finding(2)], SOURCES, entries)[1] == 1


def test_a_file_that_cannot_be_read_is_never_hidden() -> None:
    broken = Finding(PATH, 1, 1, "yaml-syntax", "error", "m", "f")
    assert render([broken], SOURCES)[1] == 0
    forged = render([finding(1)], SOURCES)[0].replace(b"floating-image", b"yaml-syntax")
    assert hide([broken], SOURCES, parse(forged))[0].kept == (broken,)


def test_a_finding_of_a_deleted_file_can_be_known() -> None:
    deleted = Finding("models/a/versions/0.9.0.yaml", 1, 1, "deleted-version", "error", "m", "f")
    assert hide([deleted], {}, parse(render([deleted], {})[0]))[0].kept == ()


def test_it_is_sorted_one_finding_a_line_so_that_git_can_merge_it() -> None:
    text, _ = render([finding(4), finding(2), Finding("a.yaml", 1, 1, "modeline", "warning", "m", "f")], SOURCES)
    again, _ = render([Finding("a.yaml", 1, 1, "modeline", "warning", "m", "f"), finding(2), finding(4)], SOURCES)
    assert text == again
    document = json.loads(text)
    assert document["version"] == 1
    assert document["findings"] == sorted(
        document["findings"], key=lambda one: (one["path"], one["rule"], one["fingerprint"])
    )
    assert len([line for line in text.decode().splitlines() if "fingerprint" in line]) == 3


@pytest.mark.parametrize(
    "text",
    [b"", b"[", b"[]", b"{}", b'{"version": 1, "findings": [1]}', b'{"version": 1, "findings": [{"path": 1}]}',
     b'{"version": 1, "findings": [{"path": 1, "rule": "a", "fingerprint": "b"}]}', b"[" * 100_000, b"\xff"],
)  # fmt: skip
def test_what_is_no_baseline_is_refused_with_the_way_out(text: bytes) -> None:
    with pytest.raises(NeedsPerson, match="is no baseline") as caught:
        parse(text)
    assert "--write-baseline" in (caught.value.fix or "")


def test_a_later_format_is_refused() -> None:
    with pytest.raises(NeedsPerson, match="has version 2, and this Tidegate reads version 1"):
        parse(b'{"version": 2, "findings": []}')


def test_the_controller_holds_no_model_back_for_what_was_accepted() -> None:
    files = {path: text for path, text in example().items() if wanted(path)}
    path = "models/digits/deployment.yaml"
    files[path] = files[path].replace(b'version: "2.0.0"', b'version: "9.9.9"')
    findings = validate_files(files)
    assert set(blocking(findings)) == {"digits"}
    known = {NAME: render(findings, files)[0]}
    assert all(map(read_by_rules, [*files, *known])) and not read_by_rules("README.md")
    assert validate_files(files | known) == []
    files[path] = files[path].replace(b'version: "9.9.9"', b'version: "9.9.8"')
    assert set(blocking(validate_files(files | known))) == {"digits"}


def test_a_broken_baseline_hides_nothing_from_the_controller_and_is_told() -> None:
    files = {path: text for path, text in example().items() if wanted(path)}
    path = "models/digits/deployment.yaml"
    files[path] = files[path].replace(b'version: "2.0.0"', b'version: "9.9.9"')
    found = validate_files(files | {NAME: b"<<<<<<< HEAD"})
    assert set(blocking(found)) == {"digits"}
    assert [(one.path, one.severity) for one in found if one.path == NAME] == [(NAME, "warning")]


FINDINGS = st.builds(
    Finding, st.text(), st.integers(1, 9), st.integers(1, 9), st.text(), st.just("error"), st.text(), st.text()
)


@given(st.lists(FINDINGS), st.text())
def test_what_was_written_hides_exactly_what_it_was_written_for(findings: list[Finding], source: str) -> None:
    findings = sorted(findings)
    sources = {one.path: source.encode("utf-8", "surrogatepass") for one in findings}
    text, number = render(findings, sources)
    sifted, gone = hide(findings, sources, parse(text))
    assert number == len(findings) - len(sifted.kept) and gone == 0
    assert sifted.kept == ()
