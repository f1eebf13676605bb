"""Mends findings in the text of the files: bottom-up, until nothing changes, and each mend is judged before it counts.

Pure. Neighbours: rule.py says what a mend is, cli/mend.py reads and writes the files and looks findings up anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tidegate.rules.finding import Finding
from tidegate.rules.registry import BY_ID
from tidegate.rules.rule import Mend, Resolver

ROUNDS: Final = 10
"""How often mended files are mended again: a mend may uncover the next finding, and two must not chase each other."""

Judge = Callable[[Mapping[str, bytes]], Mapping[str, Sequence[Finding]]]
"""Findings by path in these files, once they have these contents."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A mend that was not made, and why."""

    finding: Finding
    why: str


@dataclass(frozen=True, slots=True)
class Mended:
    """New contents by path, what they mend, and what could not be mended."""

    texts: Mapping[str, bytes]
    fixed: tuple[Finding, ...] = ()
    refused: tuple[Refused, ...] = ()


def mend_of(finding: Finding, *, unsafe: bool) -> Mend | None:
    """The mend that may be made for a finding."""
    rule = BY_ID.get(finding.rule)
    mend = rule.mend if rule is not None else None
    return mend if mend is not None and (mend.safe or unsafe) else None


def mended(content: bytes, finding: Finding, mend: Mend, resolver: Resolver | None) -> bytes | None:
    """A content after one mend, with its byte-order mark and its own line ends; None when there is nothing to do."""
    mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    try:
        text = content.removeprefix(mark).decode()
    except UnicodeDecodeError:
        return None
    windows = "\r\n" in text and text.count("\n") == text.count("\r\n")
    new = mend.apply(text.replace("\r\n", "\n") if windows else text, finding, resolver)
    if new is None:
        return None
    after = mark + (new.replace("\n", "\r\n") if windows else new).encode("utf-8", "surrogatepass")
    return after if after != content else None


def mend(
    files: Mapping[str, bytes],
    findings: Iterable[Finding],
    judge: Judge,
    allowed: Callable[[str, bytes], str],
    *,
    unsafe: bool = False,
    resolver: Resolver | None = None,
) -> Mended:
    """Make every mend that these findings have, and those that are uncovered by it in the same files.

    `allowed`: why a path must not get a new content; '' when it may. `unsafe`: mends that may change the meaning, too;
    some of them ask the resolver.
    A mend counts when what it is for is no longer found in the file, and nothing more in it is unreadable.
    """
    todo: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.path in files and mend_of(finding, unsafe=unsafe):
            todo.setdefault(finding.path, []).append(finding)
    work = _Work({path: files[path] for path in todo}, judge, allowed, unsafe, resolver)
    for _ in range(ROUNDS):
        if not todo:
            break
        todo = work.round(todo)
    return Mended(work.changed, tuple(work.fixed), tuple(work.refused))


class _Work:
    """The files as they are by now."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        judge: Judge,
        allowed: Callable[[str, bytes], str],
        unsafe: bool,
        resolver: Resolver | None,
    ) -> None:
        self.files, self.judge, self.allowed, self.unsafe, self.resolver = files, judge, allowed, unsafe, resolver
        self.changed: dict[str, bytes] = {}
        self.fixed: list[Finding] = []
        self.refused: list[Refused] = []
        self.given_up: set[tuple[str, str, str]] = set()
        self.seen: dict[str, Sequence[Finding]] = dict(judge(files)) if files else {}

    def round(self, todo: Mapping[str, Sequence[Finding]]) -> dict[str, list[Finding]]:
        """Mend each file once; what is there to mend afterwards in those that changed."""
        texts: dict[str, bytes] = {}
        made: dict[str, list[Finding]] = {}
        for path, findings in todo.items():
            text, done = self.content(path), list[Finding]()
            for finding in _bottom_up(findings):
                new = self.apply(text, finding)
                if new is not None:
                    text = new
                    done.append(finding)
            if done:
                texts[path], made[path] = text, done
        after = self.judge(self.changed | texts) if texts else {}
        again = [path for path, done in made.items() if not self.take(path, texts[path], done, after.get(path, ()))]
        for path in again:
            for finding in _bottom_up(made[path]):
                self.alone(path, finding)
        changed = [path for path in made if path in self.changed]
        return {
            path: found for path in changed if (found := [one for one in self.seen.get(path, ()) if self.wanted(one)])
        }

    def wanted(self, finding: Finding) -> bool:
        return mend_of(finding, unsafe=self.unsafe) is not None and _key(finding) not in self.given_up

    def content(self, path: str) -> bytes:
        return self.changed.get(path, self.files[path])

    def apply(self, text: bytes, finding: Finding) -> bytes | None:
        """The content after one mend; None when there is none, which is noted."""
        mend = mend_of(finding, unsafe=self.unsafe)
        assert mend is not None
        new = mended(text, finding, mend, self.resolver)
        if new is None:
            known = "nothing is known that would mend it" if mend.safe else "nobody could say what it means now"
            self.refuse(finding, known)
            return None
        return new

    def take(self, path: str, text: bytes, done: Sequence[Finding], after: Sequence[Finding]) -> bool:
        """Keep a new content when it is better in all that was to be mended."""
        before = self.seen.get(path, ())
        was, now, wanted = Counter(map(_told, before)), Counter(map(_told, after)), Counter(map(_told, done))
        # A finding that only the base can show is not seen here: then it is enough that the file stays readable.
        mended = all(was[key] - now[key] >= min(number, was[key]) for key, number in wanted.items())
        if not mended or _unreadable(after) > _unreadable(before):
            return False
        why = self.allowed(path, text)
        if why:
            for finding in done:
                self.refuse(finding, why)
            return True
        self.changed[path] = text
        self.seen[path] = after
        self.fixed += done
        return True

    def alone(self, path: str, finding: Finding) -> None:
        """One mend without the others of its file."""
        text = self.apply(self.content(path), finding)
        if text is None:
            return
        after = self.judge(self.changed | {path: text}).get(path, ())
        if not self.take(path, text, [finding], after):
            self.refuse(finding, "the file would still have it, or could no longer be read")

    def refuse(self, finding: Finding, why: str) -> None:
        if _key(finding) not in self.given_up:
            self.given_up.add(_key(finding))
            self.refused.append(Refused(finding, why))


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.path, finding.rule, finding.message


def _told(finding: Finding) -> tuple[str, int, str]:
    """What a finding is known by when lines have moved."""
    return finding.rule, finding.column, finding.message


def _bottom_up(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (one.line, one.column), reverse=True)


def _unreadable(findings: Iterable[Finding]) -> int:
    return sum(BY_ID[one.rule].fixed for one in findings if one.rule in BY_ID)
