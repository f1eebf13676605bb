"""Every rule finds its bad examples, stays silent on its good ones, and has a page worth reading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from example_repo import edited, example, excerpt, judge, mended

from tidegate.rules import checks
from tidegate.rules.pages import catalogue, markdown, page
from tidegate.rules.registry import BY_ID, FAMILIES, RULES
from tidegate.rules.rule import Example, Rule


def pairs(word: str) -> list[object]:
    """Each rule with each of its examples."""
    return [
        pytest.param(rule, edit, id=f"{rule.id}-{number}")
        for rule in RULES
        for number, edit in enumerate(getattr(rule, word))
    ]


@pytest.fixture(scope="module")
def pages() -> tuple[str, str]:
    """The catalogue for a terminal and as Markdown: the same for every rule."""
    return catalogue(), markdown()


def test_the_example_repository_is_clean() -> None:
    assert judge(example()) == []


@pytest.mark.parametrize(("rule", "edit"), pairs("bad"))
def test_a_bad_example_is_found_exactly_where_it_says_with_a_fix(rule: Rule, edit: Example) -> None:
    files = edited(edit)
    found = [finding for finding in judge(files) if finding.rule == rule.id]
    assert found
    for finding in found:
        assert finding.severity == rule.severity
        here = excerpt(files, finding)
        assert here.startswith(edit.at) if edit.at else not here, f"found at {here[:40]!r}"
        assert finding.message and finding.fix
        assert not finding.message.endswith(".") and not finding.fix.endswith(".")


@pytest.mark.no_cover  # the test above runs the same lines, and measuring would cost twice what the test does
@pytest.mark.parametrize(("rule", "edit"), pairs("bad"))
def test_the_fix_silences_the_rule_and_brings_no_other_error(rule: Rule, edit: Example) -> None:
    """A mended file is taken as new, unless the rule is about what was merged: then the base counts."""
    files = mended(edit)
    assert [finding for finding in judge(files) if finding.rule == rule.id] == []
    others = judge(files, history=rule.family == "history")
    assert [finding for finding in others if finding.severity == "error"] == []


@pytest.mark.parametrize(("rule", "edit"), pairs("good"))
def test_a_good_example_is_left_alone(rule: Rule, edit: Example) -> None:
    assert [finding for finding in judge(edited(edit)) if finding.rule == rule.id] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_lies_in_its_family_and_shows_what_is_bad_and_what_is_good(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", rule.id)
    assert (Path(checks.__path__[0]) / rule.family / f"{rule.id.replace('-', '_')}.py").is_file()
    assert rule.bad and rule.good


def test_the_catalogue_lists_every_module_once() -> None:
    names = (path for family in FAMILIES for path in (Path(checks.__path__[0]) / family).glob("[a-z]*.py"))
    modules = {path.stem.replace("_", "-") for path in names}
    assert [rule.id for rule in RULES] == list(BY_ID)
    assert set(BY_ID) == modules


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_has_a_page_with_its_reason_and_its_examples(rule: Rule, pages: tuple[str, str]) -> None:
    text = page(rule)
    assert text.startswith(f"{rule.id} ({rule.severity}, since {rule.since})")
    assert rule.summary.endswith(".") and len(rule.manual.strip().splitlines()) >= 3
    assert "bad, in " in text
    assert all(len(line) <= 130 for line in text.splitlines())
    listed, written = pages
    assert rule.id in listed
    assert f"## {rule.id}\n" in written


def test_governance_makes_a_warning_an_error_or_silences_it() -> None:
    files = edited(Example("tidegate.yaml", "# nothing\n", "# yaml-language-server: $schema=schemas/controller.json\n"))
    assert [(f.rule, f.severity) for f in judge(files)] == [("modeline", "warning")]
    governance = files["policies/governance.yaml"]
    for severity, expected in (("error", [("modeline", "error")]), ("off", [])):
        files["policies/governance.yaml"] = governance.replace(b"modeline: warning", f"modeline: {severity}".encode())
        assert [(f.rule, f.severity) for f in judge(files)] == expected


def test_governance_cannot_silence_what_makes_a_file_unreadable() -> None:
    files = edited(Example("policies/governance.yaml", "rules: {unknown-field: off}", "rules: {modeline: warning}"))
    files["models/digits/deployment.yaml"] = files["models/digits/deployment.yaml"].replace(b"hold:", b"holds:")
    assert [(f.rule, f.severity) for f in judge(files)] == [("unknown-field", "error"), ("governance-rules", "error")]


def test_a_version_that_is_broken_is_not_called_missing_as_well() -> None:
    files = edited(Example("models/digits/versions/2.0.0.yaml", "artifacts:", "artifact:"))
    assert [f.rule for f in judge(files)] == ["unknown-field"]


def test_without_a_base_no_version_counts_as_merged() -> None:
    files = edited(Example("models/digits/versions/2.0.0.yaml", "size: 1", "size: 31245"))
    assert judge(files, history=False) == []
    assert [f.rule for f in judge(files)] == ["immutable-version"]


def test_a_field_taken_out_of_a_merged_version_is_found_at_the_top() -> None:
    files = edited(Example("models/digits/versions/1.0.0.yaml", "", "reason: The first version.\n"))
    files["models/digits/versions/2.0.0.yaml"] = files["models/digits/versions/2.0.0.yaml"].replace(
        b'preprocessing:\n  commit: "6cb5bdfd0bf15f484881fb9f1ab6d7c840fddde9"\n  entrypoint: digits.prepare:main\n',
        b"",
    )
    found = [f for f in judge(files) if f.rule == "immutable-version"]
    assert [(f.line, "preprocessing" in f.message) for f in found] == [(2, True)]


def test_two_policies_are_judged_for_the_models_that_use_them() -> None:
    files = example()
    policy = files["policies/progressive.yaml"].replace(b"name: progressive", b"name: eu-first")
    files["policies/eu-first.yaml"] = policy.replace(b"[internal]", b"[eu]")
    assert judge(files) == []
    files["models/assistant/deployment.yaml"] = files["models/assistant/deployment.yaml"].replace(
        b"progressive", b"eu-first"
    )
    found = judge(files, history=False)
    assert [(f.path, f.rule) for f in found] == [("policies/eu-first.yaml", "unknown-segment")]
