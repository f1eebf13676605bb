"""SARIF: valid by its schema whatever is in it, and as code scanning wants it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate import __version__
from tidegate.rules.finding import Finding
from tidegate.rules.registry import RULES
from tidegate.rules.report import Report, reporter
from tidegate.rules.suppress import Silenced
from tidegate.spec.errors import NeedsPerson

WRONG = Finding("models/a/model.yaml", 2, 4, "wrong-type", "error", "'x' must be text", 'write "1"')
ODD = Finding("policies/p.yaml", 1, 1, "modeline", "error", "missing", "write it")
IDS = [rule.id for rule in RULES]
SOURCES = {"models/a/model.yaml": b"api: x\nx: 1\n", "policies/p.yaml": b"\n"}


@cache
def validator() -> jsonschema.Draft4Validator:
    schema = json.loads((Path(__file__).parent / "formats/sarif-2.1.0.json").read_text())
    return jsonschema.Draft4Validator(schema)


def run_of(report: Report) -> dict[str, Any]:
    """The one run of a log, which must be valid."""
    document = json.loads(reporter("sarif")(report).encode())
    assert [error.message for error in validator().iter_errors(document)] == []
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    return dict(run)


def uri_of(result: dict[str, Any]) -> str:
    return str(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


def test_a_clean_run_has_an_empty_list_of_results() -> None:
    run = run_of(Report([], 3))
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": True}]
    assert run["columnKind"] == "unicodeCodePoints"


def test_the_driver_has_its_version_and_every_rule_with_page_and_level() -> None:
    driver = run_of(Report([], 0))["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("Tidegate", __version__)
    assert [rule["id"] for rule in driver["rules"]] == [rule.id for rule in RULES]
    for shown, rule in zip(driver["rules"], RULES, strict=True):
        assert shown["defaultConfiguration"]["level"] == rule.severity
        assert shown["shortDescription"]["text"] == rule.summary
        assert rule.manual.strip() in shown["help"]["markdown"] and "```yaml" in shown["help"]["markdown"]
        assert shown["properties"]["tags"] == [rule.family]


def test_a_result_has_its_place_from_1_its_line_and_the_severity_that_governance_chose() -> None:
    run = run_of(Report([WRONG, ODD], 2, SOURCES))
    first, second = run["results"]
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "wrong-type"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "models/a/model.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 2, "startColumn": 4, "snippet": {"text": "x: 1"}}
    assert first["message"]["text"] == "'x' must be text\nFix: write \"1\""
    assert second["level"] == "error", "a warning by default, an error here"
    assert "snippet" not in second["locations"][0]["physicalLocation"]["region"], "an empty one is refused by some"


def test_fingerprints_stay_when_lines_move_and_tell_findings_apart() -> None:
    def prints(findings: list[Finding], sources: dict[str, bytes]) -> list[str]:
        results = run_of(Report(findings, 1, sources))["results"]
        return [result["partialFingerprints"]["tidegate/v1"] for result in results]

    twice = [WRONG, Finding("models/a/model.yaml", 2, 7, "wrong-type", "error", "another", "f")]
    before = prints([*twice, ODD], SOURCES)
    assert len(set(before)) == 3
    moved = [Finding(f.path, f.line + 2, f.column, f.rule, f.severity, "reworded", f.fix) for f in twice]
    after = prints([*moved, ODD], SOURCES | {"models/a/model.yaml": b"# new\n# lines\napi: x\nx:  1\n"})
    assert after == before
    assert prints([WRONG], {"models/a/model.yaml": b"api: x\nx: 2\n"}) != before[:1]


def test_what_is_silenced_is_there_with_its_reason() -> None:
    silenced = [Silenced(ODD, "comment", "as agreed"), Silenced(WRONG, "baseline", "in the baseline")]
    results = run_of(Report([WRONG], 2, SOURCES, silenced=silenced))["results"]
    assert "suppressions" not in results[0]
    assert [one["suppressions"][0] for one in results[1:]] == [
        {"kind": "inSource", "status": "accepted", "justification": "as agreed"},
        {"kind": "external", "status": "accepted", "justification": "in the baseline"},
    ]


def test_where_nothing_could_be_judged_the_log_says_why() -> None:
    run = run_of(Report([], 0, failure=NeedsPerson("there is no such commit", where="main", fix="fetch it")))
    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is False
    told = run["invocations"][0]["toolConfigurationNotifications"][0]["message"]["text"]
    assert told == "main: there is no such commit\n  fix: fetch it"


def test_paths_are_told_from_the_top_of_git_and_encoded_byte_by_byte() -> None:
    odd = "models/a b/ver#1%/caf\udce9:é.yaml"
    results = run_of(Report([Finding(odd, 1, 1, "r", "error", "m", "f")], 1, places={odd: f"sub/{odd}"}))["results"]
    assert uri_of(results[0]) == "sub/models/a%20b/ver%231%25/caf%E9%3A%C3%A9.yaml"
    assert "ruleIndex" not in results[0], "a rule that this catalogue does not have"


@pytest.mark.no_cover  # the tests above run the same lines
@settings(max_examples=15, deadline=None)  # each log holds the page of every rule
@given(
    st.lists(
        st.builds(
            Finding, st.text(min_size=1), st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from(IDS),
            st.sampled_from(["error", "warning"]), st.text(min_size=1), st.text(),
        ),
        max_size=3,
    ),
    st.binary(max_size=80),
)  # fmt: skip
def test_whatever_stands_in_files_and_names_the_log_is_valid(findings: list[Finding], source: bytes) -> None:
    odd = [
        Finding(f"\udcff{f.path}", f.line, f.column, f.rule, f.severity, f.message + "\udc80\x00", f.fix)
        for f in findings
    ]
    everything = [*findings, *odd]
    run = run_of(Report(everything, 1, {one.path: source for one in everything}))
    assert len({result["partialFingerprints"]["tidegate/v1"] for result in run["results"]}) == len(everything)
    for result, finding in zip(run["results"], everything, strict=True):
        assert unquote_to_bytes(uri_of(result)) == finding.path.encode("utf-8", "surrogateescape")
