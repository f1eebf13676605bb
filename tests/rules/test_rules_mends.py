"""Mends that the rules bring along: what was found is gone, and every other byte of the file stays as it was."""

from __future__ import annotations

import difflib

import pytest
from example_repo import edited, example, judge
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.finding import Finding
from tidegate.rules.registry import BY_ID, RULES
from tidegate.rules.rule import Example, Rule

SAFE = {
    "unquoted-identifier", "odd-number", "modeline", "unknown-field", "key-type", "wrong-type",
}  # fmt: skip
DEPLOYMENT = "models/digits/deployment.yaml"


def bad_examples() -> list[object]:
    """Every bad example of every rule that mends by itself, without asking anybody."""
    ours = [rule for rule in RULES if rule.mend is not None and (rule.mend.safe or rule.id == "hidden-character")]
    return [pytest.param(rule, edit, id=f"{rule.id}-{n}") for rule in ours for n, edit in enumerate(rule.bad)]


def found(files: dict[str, bytes], rule: str) -> list[Finding]:
    return [finding for finding in judge(files, history=False) if finding.rule == rule]


def mend(files: dict[str, bytes], finding: Finding) -> str | None:
    rule = BY_ID[finding.rule]
    assert rule.mend is not None
    return rule.mend.apply(files[finding.path].decode("utf-8-sig"), finding, None)


def test_what_is_only_a_matter_of_spelling_is_mended_safely() -> None:
    assert {rule.id for rule in RULES if rule.mend is not None and rule.mend.safe} >= SAFE


@pytest.mark.parametrize(("rule", "edit"), bad_examples())
def test_a_mend_silences_its_rule_and_touches_no_other_line(rule: Rule, edit: Example) -> None:
    files = edited(edit)
    finding = found(files, rule.id)[0]
    before = files[finding.path].decode()
    after = mend(files, finding)
    assert after is not None
    assert found(files | {finding.path: after.encode()}, rule.id) == []
    changes = difflib.SequenceMatcher(None, before.split("\n"), after.split("\n"), autojunk=False).get_opcodes()
    changed = [change for change in changes if change[0] != "equal"]
    assert len(changed) == 1
    word, start, end, _, _ = changed[0]
    assert (word, start) == ("insert", 0) or (word, start, end) == ("replace", finding.line - 1, finding.line)


@pytest.mark.parametrize(
    ("old", "new", "mended"),
    [
        ('version: "2.0.0"', "version: 1.10  # the tenth", 'version: "1.10"  # the tenth'),
        ('version: "2.0.0"', "version:   2.0", 'version:   "2.0"'),
        ("replicas: 2", "'replica': 2", "'replicas': 2"),
        ("replicas: 2", 'replicas: "2" # two', "replicas: 2 # two"),
        ("replicas: 2", "replicas: 010", "replicas: 10"),
        ("hold: false", "hold: off", "hold: false"),
        ("hold: false", "hold: Yes", "hold: true"),
        ('archive: {version: "1.0.0"}', 'archive: {version: 1.0, "hold": no}', 'archive: {version: "1.0", "hold": no}'),
    ],
)
def test_comments_spaces_and_quotes_stay(old: str, new: str, mended: str) -> None:
    files = edited(Example(DEPLOYMENT, new, old))
    finding = next(one for one in judge(files, history=False) if one.rule in SAFE and one.path == DEPLOYMENT)
    assert mend(files, finding) == example()[DEPLOYMENT].decode().replace(old, mended)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("replicas: 2", "wholly_unknown: 2", "unknown-field"),
        ("replicas: 2", "replicas: two", "wrong-type"),
        ("replicas: 2", "replicas: .inf", "odd-number"),
        ("replicas: 2", "? [a]\n: 2", "key-type"),
    ],
)
def test_what_nobody_can_know_is_left_to_a_person(old: str, new: str, rule: str) -> None:
    files = edited(Example(DEPLOYMENT, new, old))
    assert mend(files, found(files, rule)[0]) is None


@given(
    comment=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20),
    spaces=st.integers(1, 5),
    number=st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True),
)
def test_an_identifier_is_quoted_as_it_is_written(comment: str, spaces: int, number: str) -> None:
    line = f"version:{' ' * spaces}{number} #{comment}"
    files = edited(Example(DEPLOYMENT, line, 'version: "2.0.0"'))
    after = mend(files, found(files, "unquoted-identifier")[0])
    assert after is not None
    assert after == files[DEPLOYMENT].decode().replace(number, f'"{number}"', 1)


def test_a_modeline_of_another_kind_is_replaced_where_it_stands() -> None:
    files = example()
    text = files[DEPLOYMENT].decode().replace("schemas/deployment", "schemas/model")
    files[DEPLOYMENT] = f"# Ours.\n{text}".encode()
    assert mend(files, found(files, "modeline")[0]) == "# Ours.\n" + example()[DEPLOYMENT].decode()


def test_a_misspelt_word_is_written_as_it_was_meant_when_that_is_asked_for() -> None:
    policy = "policies/progressive.yaml"
    files = edited(Example(policy, "then: rolback}", "then: rollback}"))
    rule = BY_ID["wrong-value"]
    assert rule.mend is not None and not rule.mend.safe
    assert mend(files, found(files, "wrong-value")[0]) == example()[policy].decode()
