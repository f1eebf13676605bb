"""Reports: text for people, json and jsonl for programs, annotations for GitHub."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.finding import Finding
from tidegate.rules.report import Report, reporter

WRONG = Finding("models/a/model.yaml", 2, 4, "wrong-type", "error", "'x' must be text", 'write "1"')
ODD = Finding("policies/p.yaml", 1, 1, "modeline", "warning", "100%, and more: missing", "write it")
SOURCES = {"models/a/model.yaml": b"api: x\nx: 1\n"}


def test_text_names_place_severity_rule_message_and_fix() -> None:
    assert reporter("text")(Report([WRONG, ODD], 2)) == (
        "models/a/model.yaml:2:4: error wrong-type: 'x' must be text\n"
        '  fix: write "1"\n'
        "policies/p.yaml:1:1: warning modeline: 100%, and more: missing\n"
        "  fix: write it"
    )


def test_at_a_terminal_the_line_is_shown_with_a_caret() -> None:
    assert reporter("text")(Report([WRONG], 1, SOURCES, excerpts=True)) == (
        "models/a/model.yaml:2:4: error wrong-type: 'x' must be text\n  2 | x: 1\n    |    ^\n  fix: write \"1\""
    )


def test_a_long_line_is_cut_around_the_place_and_control_characters_are_not_printed() -> None:
    source = {"a": b"k: \x1b[31m" + b"x" * 300 + b"!" + b"y" * 300}
    lines = reporter("text")(
        Report([Finding("a", 1, 309, "r", "error", "m", "f")], 1, source, excerpts=True)
    ).splitlines()
    assert "\x1b" not in lines[1]
    assert len(lines[1]) <= 130
    assert lines[1][lines[2].index("^")] == "!"


def test_a_place_behind_the_end_of_the_file_is_shown_without_a_line() -> None:
    assert "|" not in reporter("text")(Report([Finding("a", 9, 1, "r", "error", "m", "f")], 1, {"a": b"x"}, True))


def test_json_is_one_document_with_a_version_also_when_clean() -> None:
    assert json.loads(reporter("json")(Report([], 3))) == {
        "version": 1, "findings": [], "files": 3, "silenced": [],
    }  # fmt: skip
    read = json.loads(reporter("json")(Report([WRONG, ODD], 2)))
    assert read["findings"][0] == {
        "rule": "wrong-type", "severity": "error", "path": "models/a/model.yaml", "line": 2, "column": 4,
        "message": "'x' must be text", "fix": 'write "1"', "fixable": None,
    }  # fmt: skip


def test_jsonl_is_one_finding_a_line() -> None:
    lines = reporter("jsonl")(Report([WRONG, ODD], 2)).splitlines()
    assert [json.loads(line)["rule"] for line in lines] == ["wrong-type", "modeline"]
    assert reporter("jsonl")(Report([], 2)) == ""


def test_annotations_are_escaped_as_the_runner_wants_it() -> None:
    assert reporter("github")(Report([WRONG, ODD], 2)).splitlines() == [
        "::error file=models/a/model.yaml,line=2,col=4,title=wrong-type::'x' must be text%0Afix: write \"1\"",
        "::warning file=policies/p.yaml,line=1,col=1,title=modeline::100%25, and more: missing%0Afix: write it",
    ]
    odd = Finding("a,b:c.yaml", 1, 1, "r", "error", "m", "f")
    assert "file=a%2Cb%3Ac.yaml," in reporter("github")(Report([odd], 1))


@given(st.builds(Finding, st.text(), st.integers(1), st.integers(1), st.text(), st.just("error"), st.text(), st.text()))
def test_no_finding_breaks_the_lines_that_machines_read(finding: Finding) -> None:
    assert len(reporter("jsonl")(Report([finding], 1)).split("\n")) == 1
    assert len(reporter("github")(Report([finding], 1)).split("\n")) == 1
    assert json.loads(reporter("json")(Report([finding], 1)))["findings"][0]["message"] == finding.message


def test_the_summary_counts_in_words() -> None:
    assert Report([], 1).summary == "1 file: clean"
    assert Report([WRONG, WRONG, ODD], 12).summary == "12 files: 2 errors, 1 warning"
    assert Report([ODD], 2).summary == "2 files: 1 warning"
