"""JUnit and GitLab: valid by their schemas and documented fields, whatever is in them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.finding import Finding
from tidegate.rules.report import Report, reporter
from tidegate.spec.errors import NeedsPerson

WRONG = Finding("models/a/model.yaml", 2, 4, "wrong-type", "error", "'x' <must> be & \"text\"", 'write "1"')
ODD = Finding("policies/p.yaml", 1, 1, "modeline", "warning", "missing", "write it")
XS = "{http://www.w3.org/2001/XMLSchema}"


class Schema:
    """What the XML Schema of JUnit files says of each element: attributes, which are required, and the children."""

    def __init__(self) -> None:
        root = ET.parse(Path(__file__).parent / "formats/junit-10.xsd").getroot()
        self.elements = {one.attrib["name"]: one for one in root.findall(f"{XS}element")}
        assert {"testsuites", "testsuite", "testcase", "failure", "error", "skipped"} <= set(self.elements)

    def errors(self, element: ET.Element) -> list[str]:
        """What is not allowed in this element and below."""
        found = self.elements[element.tag]
        attributes = {one.attrib["name"]: one.attrib.get("use") for one in found.iter(f"{XS}attribute")}
        required = {name for name, use in attributes.items() if use == "required"}
        children = {one.attrib["ref"] for one in found.iter(f"{XS}element") if "ref" in one.attrib}
        errors = [f"{element.tag} has {name}" for name in element.attrib if name not in attributes]
        errors += [f"{element.tag} lacks {name}" for name in required - set(element.attrib)]
        errors += [f"{child.tag} in {element.tag}" for child in element if child.tag not in children]
        return errors + [error for child in element for error in self.errors(child)]


SCHEMA = Schema()


def suite(report: Report) -> ET.Element:
    """The one suite of a JUnit file, which must be valid and count right."""
    root = ET.fromstring(reporter("junit")(report).encode())
    assert SCHEMA.errors(root) == []
    (found,) = root
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(found.attrib[name]) == len(list(found.iter(tag)))
    return found


def test_a_wrong_junit_file_would_be_seen() -> None:
    assert SCHEMA.errors(ET.fromstring('<testsuite name="a" tests="1"><failure colour="red"/></testsuite>'))


def test_an_error_is_a_failed_case_and_a_warning_a_skipped_one() -> None:
    first, second = suite(Report([WRONG, ODD], 2, places={"policies/p.yaml": "sub/policies/p.yaml"}))
    assert (first.attrib["classname"], first.attrib["name"]) == ("models/a/model.yaml", "wrong-type (2:4)")
    assert first[0].tag == "failure" and first[0].attrib["message"] == WRONG.message
    assert first[0].text == f"models/a/model.yaml:2:4: {WRONG.message}\nfix: {WRONG.fix}"
    assert second.attrib["classname"] == "sub/policies/p.yaml"
    assert second[0].tag == "skipped" and "fix: write it" in second[0].attrib["message"]


def test_a_clean_run_is_a_case_that_passes_and_one_that_could_not_begin_is_an_error() -> None:
    (case,) = suite(Report([], 3))
    assert len(case) == 0
    (case,) = suite(Report([], 0, failure=NeedsPerson("is no repository", where="here", fix="go home")))
    assert case[0].tag == "error" and "go home" in (case[0].text or "")


def test_gitlab_gets_its_documented_fields() -> None:
    report = Report([WRONG, ODD], 2, places={"policies/p.yaml": "sub/policies/p.yaml"})
    first, second = json.loads(reporter("gitlab")(report))
    assert set(first) == {"description", "check_name", "fingerprint", "severity", "location"}
    assert first["location"] == {"path": "models/a/model.yaml", "lines": {"begin": 2}}
    assert (first["severity"], second["severity"]) == ("major", "minor")
    assert first["description"] == f"{WRONG.message}. Fix: {WRONG.fix}"
    assert second["location"]["path"] == "sub/policies/p.yaml"
    assert reporter("gitlab")(Report([], 1)) == "[]"


def test_gitlab_can_tell_any_two_findings_apart() -> None:
    same = [WRONG, WRONG, Finding(WRONG.path, 9, 4, WRONG.rule, "error", "m", "f")]
    assert len({one["fingerprint"] for one in json.loads(reporter("gitlab")(Report(same, 1)))}) == 3


@given(
    st.builds(Finding, st.text(), st.integers(1), st.integers(1), st.text(), st.just("error"), st.text(), st.text()),
    st.sampled_from(["", "\x00", "\ud800", "\udcff", "\ufffe", "]]>", "&#0;", "\r\n"]),
)
def test_no_finding_breaks_either(finding: Finding, odd: str) -> None:
    told = Finding(odd + finding.path, finding.line, finding.column, finding.rule, "error", finding.message + odd, odd)
    assert len(suite(Report([told], 1))) == 1
    (issue,) = json.loads(reporter("gitlab")(Report([told], 1)).encode())
    assert issue["check_name"] == finding.rule
