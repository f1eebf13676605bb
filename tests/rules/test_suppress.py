"""Comments that silence a finding: where they count, what they need, and what is said of those that do not count."""

from __future__ import annotations

import time
from datetime import date

import pytest
from example_repo import example
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.api import blocking, validate_files
from tidegate.rules.context import Context
from tidegate.rules.engine import sift
from tidegate.rules.finding import Finding
from tidegate.rules.registry import RULES
from tidegate.rules.suppress import Excuse, Sifted, apply, excuses
from tidegate.spec.declared import load
from tidegate.spec.digest import document_digest
from tidegate.spec.layout import wanted
from tidegate.spec.source import parse

MODELINE = b"# yaml-language-server: $schema=../../schemas/deployment.json\n"
DEPLOYMENT = "models/digits/deployment.yaml"
GOVERNANCE = "policies/governance.yaml"


def judged(files: dict[str, bytes]) -> Sifted:
    """All rules over these files, on a day."""
    read = {path: text for path, text in files.items() if wanted(path)}
    return sift(Context(load(read, None), read, today=date(2026, 11, 21)))


def told(sifted: Sifted, rule: str) -> list[tuple[str, int, int, str]]:
    return [(f.path, f.line, f.column, f.message) for f in sifted.kept if f.rule == rule]


def without_modeline(comment: str) -> dict[str, bytes]:
    """The example with a deployment whose modeline is another comment."""
    files = example()
    files[DEPLOYMENT] = files[DEPLOYMENT].replace(MODELINE, comment.encode() + b"\n")
    assert files != example()
    return files


def covers(text: str) -> list[tuple[tuple[str, ...], int]]:
    return [(tuple(name for name, _ in one.rules), one.covers) for one in excuses(text.encode())]


def test_a_comment_at_the_top_silences_a_rule_in_its_whole_file_and_nowhere_else() -> None:
    files = without_modeline("# tidegate: ignore-file[modeline] this team's editor has its own")
    files["models/assistant/deployment.yaml"] = files["models/assistant/deployment.yaml"].partition(b"\n")[2]
    sifted = judged(files)
    assert [path for path, *_ in told(sifted, "modeline")] == ["models/assistant/deployment.yaml"]
    assert [(one.finding.path, one.by, one.reason) for one in sifted.silenced] == [
        (DEPLOYMENT, "comment", "this team's editor has its own")
    ]


def test_a_comment_silences_its_own_line_or_the_next_one_that_holds_something() -> None:
    assert covers("a: 1  # tidegate: ignore[x-y] because it is\n") == [(("x-y",), 1)]
    assert covers("a: 1\n# tidegate: ignore[x, y] because it is\n\n  # why\nb: 2\n") == [(("x", "y"), 5)]
    assert covers("a: 1\n# tidegate: ignore[x] one thing\n# tidegate: ignore[y] another\nb: 2\n") == [
        (("x",), 4),
        (("y",), 4),
    ]
    assert covers("a: 1\n# tidegate: ignore[x] nothing follows\n") == [(("x",), -1)]
    assert covers("# tidegate: ignore-file[x] the whole\na: 1\n") == [(("x",), 0)]
    assert covers("a: 1  # pinned next week # tidegate: ignore[x] until then\n") == [(("x",), 1)]
    assert covers("a: |  # tidegate: ignore[x] behind the sign of a block\n  text\n") == [(("x",), 1)]
    assert covers("a: 1 # tidegate:ignore[x]: with a colon\r\nb: 1 # tidegate: ignore [y] - dash\r\n") == [
        (("x",), 1),
        (("y",), 2),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'a: "b # tidegate: ignore[x] in quotes"',
        "a: 'b # tidegate: ignore[x] in quotes'",
        "a: |\n  # tidegate: ignore[x] in a block\n  # tidegate: ignore[y] and again\nb: 1",
        "a: >-\n  words\n  words # tidegate: ignore[x] in a folded block\n",
        'a: "two\n  # tidegate: ignore[x] lines"',
        "a: b#tidegate: ignore[x] without a space",
        "a: 1 # see the tidegate: ignore[x] comments",
        "a: 1 # tidegate: the gate shuts by itself",
    ],
)
def test_what_is_text_or_another_comment_silences_nothing(text: str) -> None:
    assert excuses(text.encode()) == ()


def test_behind_a_block_a_comment_is_one_again() -> None:
    assert covers("a: |\n  text\n# tidegate: ignore[x] for b\nb: 1\n") == [(("x",), 4)]


def test_no_comment_is_looked_for_in_what_cannot_be_read() -> None:
    assert excuses(b"a: \xff # tidegate: ignore[x] reason") == ()
    assert covers("a: 1 # tidegate: ignore[x] here\nb: [1\nc: 2 # tidegate: ignore[y] beyond\n: : :\n") == [(("x",), 1)]


def finding(line: int, rule: str = "floating-image") -> Finding:
    return Finding("a.yaml", line, 3, rule, "error", "m", "f")


def test_only_the_rules_in_brackets_are_silenced_on_that_line() -> None:
    notes = {"a.yaml": excuses(b"a: 1\nb: 2  # tidegate: ignore[floating-image] the old registry\n")}
    sifted = apply([finding(1), finding(2), finding(2, "modeline")], notes)
    assert [(one.line, one.rule) for one in sifted.kept] == [(1, "floating-image"), (2, "modeline")]
    assert [one.finding.line for one in sifted.silenced] == [2]


def test_without_a_reason_nothing_is_silenced_and_that_is_told_at_the_comment() -> None:
    for comment in ("ignore-file[modeline]", "ignore-file[modeline] -", "ignore-file[modeline] ."):
        sifted = judged(without_modeline(f"# tidegate: {comment}"))
        assert told(sifted, "modeline")
        assert told(sifted, "suppression") == [(DEPLOYMENT, 1, 1, "the reason is missing, so nothing is silenced")]


@pytest.mark.parametrize(
    ("comment", "column", "message", "fix"),
    [
        ("ignore-file[modelin] a reason", 27, "there is no rule 'modelin', so nothing is silenced", "mean 'modeline'?"),
        ("ignore-file[nonsense] a reason", 27, "there is no rule 'nonsense'", "'tidegate rules' lists them"),
        ("ignore-file[wrong-type] a reason", 27, "'wrong-type' cannot be silenced", "mend what it finds"),
        ("ignore-file[suppression] a reason", 27, "comments cannot be silenced", "mend the comment"),
        ("ignore-file[] a reason", 1, "it names no rule", "ignore[rule-id] and the reason"),
        ("ignore modeline because", 1, "'ignore' without a rule in brackets", "ignore[rule-id] and the reason"),
        ("ignroe[modeline] because", 1, "'ignroe' without a rule in brackets", "ignore[rule-id] and the reason"),
        ("disable=modeline", 1, "without a rule in brackets", "ignore[rule-id] and the reason"),
    ],
)
def test_a_comment_that_cannot_count_is_told_with_its_edit(comment: str, column: int, message: str, fix: str) -> None:
    text = f"# tidegate: {comment}"
    place = text.index("[") + 2 if column == 27 else column
    found = [one for one in judged(without_modeline(text)).kept if one.rule == "suppression"]
    assert [(one.line, one.column) for one in found] == [(1, place)]
    assert message in found[0].message and fix in found[0].fix


def test_for_a_whole_file_it_must_stand_above_the_first_field() -> None:
    files = without_modeline("# the first line")
    files[DEPLOYMENT] += b"# tidegate: ignore-file[modeline] too late\n"
    sifted = judged(files)
    assert told(sifted, "modeline")
    assert "counts above the first field only" in told(sifted, "suppression")[0][3]


def test_a_comment_that_silences_nothing_is_told_at_the_rules_name() -> None:
    files = example()
    files[DEPLOYMENT] = files[DEPLOYMENT].replace(
        b"policy: progressive", b"policy: progressive  # tidegate: ignore[unknown-policy, modeline] it is there"
    )
    found = told(judged(files), "suppression")
    line = files[DEPLOYMENT].decode().split("\n")[found[0][1] - 1]
    assert [line[column - 1 :].partition("]")[0].partition(",")[0] for _, _, column, _ in found] == [
        "unknown-policy",
        "modeline",
    ]
    assert "finds nothing here, so this silences nothing" in found[0][3]


def test_what_compares_with_a_base_is_not_called_unused_after_the_merge() -> None:
    files = without_modeline(MODELINE.decode() + "# tidegate: ignore-file[early-approval] agreed beforehand")
    assert told(judged(files), "suppression") == []


def test_while_a_file_cannot_be_read_nothing_is_called_unused() -> None:
    files = without_modeline(MODELINE.decode() + "# tidegate: ignore-file[unknown-policy] it is there")
    assert told(judged(files), "suppression")
    files["policies/progressive.yaml"] = b"steps: [\n"
    assert told(judged(files), "suppression") == []


def test_governance_decides_how_bad_a_wrong_comment_is() -> None:
    files = without_modeline(MODELINE.decode() + "# tidegate: ignore-file[unknown-policy] it is there")
    for severity in ("error", "off"):
        changed = files[GOVERNANCE].replace(b"rules: {", f"rules: {{suppression: {severity}, ".encode())
        found = [f.severity for f in judged(files | {GOVERNANCE: changed}).kept if f.rule == "suppression"]
        assert found == (["error"] if severity == "error" else [])


def test_the_controller_honours_the_same_comments() -> None:
    files = {path: text for path, text in example().items() if wanted(path)}
    files[DEPLOYMENT] = files[DEPLOYMENT].replace(b'version: "2.0.0"', b'version: "9.9.9"')
    assert set(blocking(validate_files(files))) == {"digits"}
    files[DEPLOYMENT] = files[DEPLOYMENT].replace(
        b'version: "9.9.9"', b'version: "9.9.9"  # tidegate: ignore[unknown-version] it arrives with the next merge'
    )
    assert blocking(validate_files(files)) == {}


def test_a_comment_changes_no_digest() -> None:
    path = "models/digits/versions/2.0.0.yaml"
    before = example()[path]
    after = before.replace(b"\n", b"  # tidegate: ignore[floating-image] as it was\n", 2)
    assert before != after
    assert document_digest(parse(before, path)) == document_digest(parse(after, path))


def test_every_rule_that_asks_for_the_base_says_that_it_compares() -> None:
    from importlib import import_module
    from inspect import getsource

    for rule in RULES:
        module = import_module(f"tidegate.rules.checks.{rule.family}.{rule.id.replace('-', '_')}")
        if "context.history" in getsource(module):
            assert rule.compares, rule.id


@given(st.text(alphabet="ab:#|>-'\"[]{} \n\t,tidegate: ignore[x] r", max_size=60), st.text(max_size=20))
def test_no_text_breaks_the_search_and_places_are_in_the_text(text: str, reason: str) -> None:
    content = f"{text}\n# tidegate: ignore[floating-image] {reason}\n".encode("utf-8", "surrogatepass")
    for one in excuses(content):
        lines = content.decode().splitlines()
        assert isinstance(one, Excuse) and one.line >= 1 and one.column >= 1
        assert one.line <= len(lines) or "\x0b" in text or not lines


def test_many_comments_do_not_hang() -> None:
    content = b"# tidegate: ignore[modeline] as agreed\n" * 25_000
    started = time.process_time()
    assert len(excuses(content)) == 25_000
    assert time.process_time() - started < 60, "a hang guard: to look through the whole file for each takes minutes"
