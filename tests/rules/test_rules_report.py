"""Reports: text for people, json and jsonl for programs, annotations for GitHub."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.finding import Finding
from tidegate.rules.report import Report, reporter
from tidegate.rules.report.github import shown
from tidegate.rules.report.machine import sound
from tidegate.rules.suppress import Silenced
from tidegate.spec.errors import NeedsPerson

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
        "models/a/model.yaml:2:4: error wrong-type: 'x' must be text\n  2 | x: 1\n    |    ^\n  fix: write \"1\"  (--fix does it)"
    )


def test_a_mend_is_offered_only_where_it_would_do_something() -> None:
    nothing = {"models/a/model.yaml": b"api: x\nx: [1]\n"}
    assert "--fix" not in reporter("text")(Report([WRONG], 1, nothing, excerpts=True))
    assert Report([WRONG], 1, SOURCES).summary == "1 file: 1 error; 1 can be fixed with --fix"
    assert Report([WRONG], 1, nothing).summary == "1 file: 1 error"


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
    assert json.loads(reporter("json")(Report([], 3))) == {"version": 1, "findings": [], "files": 3}
    read = json.loads(reporter("json")(Report([WRONG, ODD], 2)))
    assert read["findings"][0] == {
        "rule": "wrong-type", "severity": "error", "path": "models/a/model.yaml", "line": 2, "column": 4,
        "message": "'x' must be text", "fix": 'write "1"',
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


def at_a_terminal(line: str, column: int, colours: bool = False) -> list[str]:
    """The lines printed for a finding in the second line of a file."""
    source = {"a": f"first\n{line}\n".encode()}
    report = Report([Finding("a", 2, column, "r", "error", "m", "f")], 1, source, excerpts=True, colours=colours)
    return reporter("text")(report).splitlines()


@pytest.mark.parametrize(
    ("line", "column", "marked"),
    [
        ("version: 1.10", 10, "1.10"),
        ('image: "a b:1.2"  # why', 8, '"a b:1.2"'),
        ("uri: 'it''s'", 6, "'it''s'"),
        ("metric: p95, x: 1", 9, "p95"),
        ("- {metric: p95}", 12, "p95"),
        ("policy: https://example.com/a#b", 9, "https://example.com/a#b"),
        ("hold: yes", 1, "hold"),
        ("steps: [a, b]", 8, "["),
        ("owners:", 8, ""),
    ],
)
def test_the_value_is_underlined(line: str, column: int, marked: str) -> None:
    shown = at_a_terminal(line, column)
    assert shown[1] == f"  2 | {line}"
    assert shown[2] == f"    | {' ' * (column - 1)}^{'~' * (len(marked) - 1)}"


def test_wide_and_combining_characters_do_not_move_the_mark() -> None:
    line = "summary: \u4e2d\u6587e\u0301 x"
    assert at_a_terminal(line, line.index("x") + 1)[2] == "    | " + " " * 15 + "^"


def test_a_finding_about_the_whole_file_marks_no_word() -> None:
    report = Report([Finding("a", 1, 1, "r", "error", "m", "f")], 1, {"a": b"word: 1\n"}, excerpts=True)
    assert reporter("text")(report).splitlines()[1:3] == ["  1 | word: 1", "    | ^"]


def test_colours_are_there_only_when_they_are_wanted_and_change_no_character() -> None:
    plain, coloured = at_a_terminal("a: b", 4), at_a_terminal("a: b", 4, colours=True)
    assert "\x1b" not in "".join(plain) and "\x1b[1;31m" in coloured[0]
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == plain


def test_between_findings_a_terminal_shows_an_empty_line_and_a_file_none() -> None:
    assert "\n\n" in reporter("text")(Report([WRONG, ODD], 2, SOURCES, excerpts=True))
    assert "\n\n" not in reporter("text")(Report([WRONG, ODD], 2, SOURCES))


def test_names_that_are_not_utf_8_and_control_characters_are_escaped() -> None:
    odd = Finding("models/caf\udce9/\x1b[2J.yaml", 1, 1, "r", "error", "a\nb\u202ec\ud800", "f\x07")
    assert reporter("text")(Report([odd], 1)) == (
        "models/caf\\xe9/\\x1b[2J.yaml:1:1: error r: a\\nb\\u202ec\\ud800\n  fix: f\\x07"
    )
    read = json.loads(reporter("json")(Report([odd], 1)).encode())["findings"][0]
    assert (read["path"], read["message"]) == ("models/caf\\xe9/\x1b[2J.yaml", "a\nb\u202ec\\ud800")
    assert "file=models/caf\\xe9/\\x1b[2J.yaml," in reporter("github")(Report([odd], 1)).encode().decode()


def test_github_is_given_the_errors_first_and_paths_from_the_top_of_git() -> None:
    lines = reporter("github")(Report([ODD, WRONG], 2, places={ODD.path: f"sub/{ODD.path}"})).splitlines()
    assert lines[0].startswith("::error file=models/a/model.yaml")
    assert lines[1].startswith("::warning file=sub/policies/p.yaml")


def test_beside_a_log_github_is_given_no_more_than_it_shows() -> None:
    findings = [ODD] * 12 + [WRONG] * 11
    assert [f.severity for f in shown(findings)] == ["error"] * 10 + ["warning"] * 10
    assert len(reporter("github")(Report(findings, 2)).splitlines()) == 23


def test_where_nothing_could_be_judged_programs_are_told_why() -> None:
    report = Report([], 0, failure=NeedsPerson("there is none", where="a\udcff", fix="make one"))
    assert json.loads(reporter("json")(report).encode())["error"] == {
        "message": "there is none", "where": "a\\xff", "fix": "make one",
    }  # fmt: skip
    assert reporter("github")(report) == "::error title=tidegate validate::a\\xff: there is none%0A  fix: make one"


@given(st.builds(Finding, st.text(), st.integers(1), st.integers(1), st.text(), st.just("error"), st.text(), st.text()))
def test_no_finding_breaks_the_lines_that_machines_read(finding: Finding) -> None:
    assert len(reporter("jsonl")(Report([finding], 1)).split("\n")) == 1
    assert len(reporter("github")(Report([finding], 1)).split("\n")) == 1
    assert json.loads(reporter("json")(Report([finding], 1)))["findings"][0]["message"] == sound(finding.message)


def test_the_summary_counts_in_words() -> None:
    assert Report([], 1).summary == "1 file: clean"
    assert Report([WRONG, WRONG, ODD], 12).summary == "12 files: 2 errors, 1 warning"
    assert Report([ODD], 2).summary == "2 files: 1 warning"
    silenced = [Silenced(ODD, "comment", "r"), Silenced(ODD, "baseline", "b"), Silenced(WRONG, "baseline", "b")]
    assert Report([], 2, silenced=silenced).summary == "2 files: clean; 1 silenced, 2 in the baseline"
