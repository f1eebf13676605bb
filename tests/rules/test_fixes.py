"""Fixes: bottom-up until nothing changes, each judged before it counts, and nothing else of the file touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules import fixes
from tidegate.rules.finding import Finding
from tidegate.rules.fixes import Mended, mend
from tidegate.rules.rule import Mend, Resolver, Rule

PATH = "models/a/model.yaml"


class Toy:
    """A catalogue with one rule: it finds every word 'bad' in a text; its mend and what it finds can be exchanged."""

    def __init__(
        self, apply: Callable[[str, Finding, Resolver | None], str | None] | None = None, safe: bool = True
    ) -> None:
        self.rule = Rule(
            "toy", "error", "0.2.0", "Toy.", lambda context: iter(()), (), mend=Mend(apply or self.cut, safe)
        )
        self.broken = Rule("broken", "error", "0.2.0", "Broken.", lambda context: iter(()), (), fixed=True)
        self.judged = 0

    @staticmethod
    def cut(text: str, finding: Finding, _: Resolver | None) -> str | None:
        lines = text.split("\n")
        line = lines[finding.line - 1]
        assert line[finding.column - 1 :].startswith("bad")
        lines[finding.line - 1] = line[: finding.column - 1] + "good" + line[finding.column + 2 :]
        return "\n".join(lines)

    def findings(self, text: bytes) -> list[Finding]:
        decoded = text.decode("utf-8-sig").replace("\r\n", "\n")
        found = [
            Finding(PATH, number, match.start() + 1, "toy", "error", "m", "f")
            for number, line in enumerate(decoded.split("\n"), 1)
            for match in re.finditer("bad", line)
        ]
        return found + [Finding(PATH, 1, 1, "broken", "error", "m", "f")] * decoded.count("{")

    def judge(self, texts: Mapping[str, bytes]) -> dict[str, Sequence[Finding]]:
        self.judged += 1
        return {path: self.findings(text) for path, text in texts.items()}


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Callable[[Toy], Toy]:
    """Puts a toy's rules into the place of the real ones."""

    def put(toy: Toy) -> Toy:
        monkeypatch.setattr(fixes, "BY_ID", {"toy": toy.rule, "broken": toy.broken})
        return toy

    return put


def run(toy: Toy, text: bytes, *, unsafe: bool = False, allowed: str = "") -> Mended:
    found = toy.findings(text)
    return mend({PATH: text}, found, toy.judge, lambda path, new: allowed, unsafe=unsafe)


def test_several_findings_are_mended_from_the_bottom_up(catalogue: Callable[[Toy], Toy]) -> None:
    done = run(catalogue(Toy()), b"a: bad bad\nb: bad\n")
    assert done.texts == {PATH: b"a: good good\nb: good\n"}
    assert len(done.fixed) == 3 and done.refused == ()


def test_what_a_mend_uncovers_is_mended_too_and_no_further_than_that(catalogue: Callable[[Toy], Toy]) -> None:
    def peel(text: str, finding: Finding, _: Resolver | None) -> str | None:
        return text.replace("bad", "", 1)

    assert run(catalogue(Toy(peel)), b"babadd: 1\n").texts == {PATH: b": 1\n"}


def test_two_mends_that_chase_each_other_end(catalogue: Callable[[Toy], Toy]) -> None:
    class Chase(Toy):
        def judge(self, texts: Mapping[str, bytes]) -> dict[str, Sequence[Finding]]:
            found = super().judge(texts)
            extra = [Finding(PATH, 2, 1, "toy", "error", str(self.judged), "f")] * max(0, 3 - self.judged)
            return {path: [*own, *extra] for path, own in found.items()}

    toy = catalogue(Chase(lambda text, finding, _: text + "#"))
    run(toy, b"a: bad\n")
    assert toy.judged <= 2 * fixes.ROUNDS + 2


def test_a_mend_that_leaves_its_finding_is_not_made_and_said(catalogue: Callable[[Toy], Toy]) -> None:
    done = run(catalogue(Toy(lambda text, finding, _: text + "# tried\n")), b"a: bad\n")
    assert done.texts == {} and done.fixed == ()
    assert [one.why for one in done.refused] == ["the file would still have it, or could no longer be read"]


def test_a_mend_that_breaks_the_file_is_not_made_and_the_others_are(catalogue: Callable[[Toy], Toy]) -> None:
    def apply(text: str, finding: Finding, _: Resolver | None) -> str | None:
        return text.replace("bad", "{", 1) if finding.line == 1 else Toy.cut(text, finding, None)

    done = run(catalogue(Toy(apply)), b"a: bad\nb: bad\n")
    assert done.texts == {PATH: b"a: bad\nb: good\n"}
    assert [one.finding.line for one in done.refused] == [1]


def test_a_mend_that_knows_no_way_is_said(catalogue: Callable[[Toy], Toy]) -> None:
    assert [one.why for one in run(catalogue(Toy(lambda *_: None)), b"a: bad\n").refused] == [
        "nothing is known that would mend it"
    ]
    toy = catalogue(Toy(lambda *_: None, safe=False))
    assert [one.why for one in run(toy, b"a: bad\n", unsafe=True).refused] == ["nobody could say what it means now"]


def test_what_is_not_safe_is_mended_only_when_asked_for(catalogue: Callable[[Toy], Toy]) -> None:
    toy = catalogue(Toy(safe=False))
    assert run(toy, b"a: bad\n") == Mended({})
    assert run(toy, b"a: bad\n", unsafe=True).texts == {PATH: b"a: good\n"}


def test_what_must_not_change_is_left_with_the_reason(catalogue: Callable[[Toy], Toy]) -> None:
    done = run(catalogue(Toy()), b"a: bad\nb: bad\n", allowed="it is merged")
    assert done.texts == {} and {one.why for one in done.refused} == {"it is merged"}


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbfa: bad\r\nb: c\r\n", b"a: bad\nb: c\r\n", b"a: bad", b"a: bad # \xc3\xa9\n\n"]
)
def test_mark_line_ends_and_the_end_of_the_file_stay(catalogue: Callable[[Toy], Toy], text: bytes) -> None:
    assert run(catalogue(Toy()), text).texts == {PATH: text.replace(b"bad", b"good")}


@given(st.lists(st.sampled_from(["bad", "x", " ", "\n", "é", "# c\n"]), max_size=30).map("".join))
def test_everything_but_the_findings_stays_as_it_was(text: str) -> None:
    toy = Toy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixes, "BY_ID", {"toy": toy.rule, "broken": toy.broken})
        content = text.encode()
        done = run(toy, content)
    assert done.texts.get(PATH, content) == content.replace(b"bad", b"good")
