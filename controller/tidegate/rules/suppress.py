"""Comments that silence a finding: `# tidegate: ignore[rule] reason` on its line or above, `ignore-file[rule]` at the top.

Pure, and light: most files have none, and then neither YAML nor the catalogue is loaded. Neighbours: engine.py applies
them for the CLI and the controller alike, checks/governance/suppression.py tells what is wrong with one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

from tidegate.rules.finding import Finding
from tidegate.spec.layout import MAX_BYTES

RULE_ID: Final = "suppression"
BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line for the YAML reader, whose line numbers the findings carry."""

_COMMENT = re.compile(r"(?:(?<=[ \t])|(?<![^\n\r]))#[ \t]*tidegate:[ \t]*([^\n\r\x85\u2028\u2029]*)")
_FORM = re.compile(r"ignore(?P<file>-file)?[ \t]*\[(?P<rules>[^\[\]]*)\](?P<reason>.*)")
_WORD = re.compile(r"[A-Za-z-]+")
_ID = re.compile(r"[^\s,]+")
_MEANT = ("ignore", "ignore-file", "noqa", "disable", "suppress")
_EXAMPLE = "# tidegate: ignore[rule-id] and the reason"


@dataclass(frozen=True, slots=True)
class Excuse:
    """One comment. `line` and `column` (from 1) of its '#'; `rules`: each id with its column.

    `covers`: the line whose findings it silences; 0 the whole file, -1 none. `wrong`: why it silences nothing, and the
    edit that mends it; '' when it is as it should be.
    """

    line: int
    column: int
    rules: tuple[tuple[str, int], ...]
    reason: str
    covers: int
    wrong: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Silenced:
    """A finding that is not told, and who says so: a comment with its reason, or the baseline."""

    finding: Finding
    by: Literal["comment", "baseline"]
    reason: str


@dataclass(frozen=True, slots=True)
class Sifted:
    """The findings that stay, and those that were silenced, both in order."""

    kept: tuple[Finding, ...]
    silenced: tuple[Silenced, ...] = ()

    def findings(self) -> Iterator[Finding]:
        """All of them."""
        yield from self.kept
        yield from (one.finding for one in self.silenced)

    def moved(self, names: Mapping[str, str]) -> Sifted:
        """Those whose path is in `names`, under the name that stands there."""
        return Sifted(
            tuple(replace(one, path=names[one.path]) for one in self.kept if one.path in names),
            tuple(
                replace(one, finding=replace(one.finding, path=names[one.finding.path]))
                for one in self.silenced
                if one.finding.path in names
            ),
        )


def excuses(text: bytes) -> tuple[Excuse, ...]:
    """The comments for Tidegate in one file; none in a file that is not UTF-8 or too large."""
    if b"tidegate:" not in text:
        return ()
    if len(text) > MAX_BYTES:
        return ()
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ()
    found = [match for match in _COMMENT.finditer(decoded) if _is_meant(match[1])]
    if not found:
        return ()
    inside, first, end = _scalars(decoded)
    lines = _Lines(decoded)
    return tuple(
        _excuse(lines, match, at_top=match.start() < first)
        for match in found
        if match.start() <= end and not _within(inside, match.start())
    )


def excuses_of(files: Mapping[str, bytes]) -> dict[str, tuple[Excuse, ...]]:
    """The same of many files by path; files without any are left out."""
    return {path: found for path, text in files.items() if (found := excuses(text))}


def apply(findings: Iterable[Finding], notes: Mapping[str, Sequence[Excuse]], *, complete: bool = True) -> Sifted:
    """Silence what the comments silence. `complete`: every rule has looked at every file, with the calendar, so that a
    comment without a finding can be told as unused."""
    ordered = sorted(findings)
    if not notes:
        return Sifted(tuple(ordered))
    from tidegate.rules.registry import BY_ID  # the catalogue lists the rule that tells of wrong comments

    fixed = {rule.id for rule in BY_ID.values() if rule.fixed}
    kept: list[Finding] = []
    silenced: list[Silenced] = []
    used: set[tuple[str, int, int, str]] = set()
    for finding in ordered:
        excuse = next((one for one in notes.get(finding.path, ()) if _silences(one, finding)), None)
        if excuse is None or finding.rule in fixed or finding.rule == RULE_ID:
            kept.append(finding)
        else:
            used.add((finding.path, excuse.line, excuse.column, finding.rule))
            silenced.append(Silenced(finding, "comment", excuse.reason))
    # Where a file cannot be read, some rules had nothing to look at: nobody knows what is unused.
    if complete and not any(finding.rule in fixed for finding in ordered):
        judged = {rule.id for rule in BY_ID.values() if not rule.compares} - fixed - {RULE_ID}
        for path, found in notes.items():
            for one in found:
                named = [(name, column) for name, column in one.rules if name in judged and not one.wrong]
                unused = [pair for pair in named if (path, one.line, one.column, pair[0]) not in used]
                kept += [_unused(path, one, name, column) for name, column in unused]
    return Sifted(tuple(sorted(kept)), tuple(silenced))


def problems(notes: Sequence[Excuse]) -> list[tuple[int, int, str, str]]:
    """Line, column, message and fix of everything that is wrong with the comments of one file themselves."""
    from tidegate.rules.registry import BY_ID
    from tidegate.spec.vocabulary import similar

    found = []
    for excuse in notes:
        if excuse.wrong:
            found.append((excuse.line, excuse.column, excuse.wrong, excuse.fix))
            continue
        for name, column in excuse.rules:
            rule = BY_ID.get(name)
            if rule is None:
                close = similar(name, BY_ID)
                fix = f"did you mean '{close}'?" if close else "take it out; 'tidegate rules' lists them"
                found.append((excuse.line, column, f"there is no rule '{name}', so nothing is silenced", fix))
            elif rule.fixed:
                message = f"'{name}' cannot be silenced: what it finds cannot be read"
                found.append((excuse.line, column, message, "mend what it finds, and take the comment out"))
            elif name == RULE_ID:
                message = "comments cannot be silenced by a comment"
                found.append((excuse.line, column, message, "mend the comment that it tells of"))
    return found


def _silences(excuse: Excuse, finding: Finding) -> bool:
    covered = excuse.covers in (0, finding.line) and not excuse.wrong
    return covered and any(name == finding.rule for name, _ in excuse.rules)


def _unused(path: str, excuse: Excuse, name: str, column: int) -> Finding:
    where = "in this file" if excuse.covers == 0 else "here" if excuse.covers == excuse.line else "in the line below"
    alone = len(excuse.rules) == 1
    fix = "take the comment out" if alone else f"take '{name}' out of the brackets"
    message = f"'{name}' finds nothing {where}, so this silences nothing"
    return Finding(path, excuse.line, column, RULE_ID, "warning", message, fix)


def _is_meant(text: str) -> bool:
    """Whether a comment that begins with 'tidegate:' wants to silence something, however it is spelt."""
    from tidegate.spec.vocabulary import similar

    word = _WORD.match(text)
    return word is not None and similar(word[0], _MEANT) is not None


class _Lines:
    """A text's lines, and which of them a position lies in."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(found.end() for found in BREAK.finditer(text))]

    def place(self, position: int) -> tuple[int, int]:
        """Line and column, from 1."""
        line = bisect_right(self.starts, position)
        return line, position - self.starts[line - 1] + 1

    @cached_property
    def below(self) -> list[int]:
        """For each line the next one that holds more than a comment; -1 when there is none."""
        found, following = [], -1
        for number in range(len(self.starts), 0, -1):
            found.append(following)
            stop = self.starts[number] if number < len(self.starts) else len(self.text)
            text = self.text[self.starts[number - 1] : stop].strip()
            if text and not text.startswith("#"):
                following = number
        return found[::-1]


def _within(ranges: Sequence[tuple[int, int]], position: int) -> bool:
    index = bisect_right(ranges, position, key=lambda one: one[0]) - 1
    return index >= 0 and position < ranges[index][1]


def _excuse(lines: _Lines, match: re.Match[str], *, at_top: bool) -> Excuse:
    line, column = lines.place(match.start())
    alone = not lines.text[match.start() - column + 1 : match.start()].strip()
    form = _FORM.fullmatch(match[1])
    if form is None:
        word = match[1].split("[")[0].split()[0]
        return Excuse(
            line, column, (), "", -1, f"'{word}' without a rule in brackets silences nothing", f"write {_EXAMPLE}"
        )
    offset = column + match.start(1) - match.start() + form.start("rules")
    rules = tuple((found[0], offset + found.start()) for found in _ID.finditer(form["rules"]))
    reason = form["reason"].strip().lstrip(":-\u2013\u2014 \t")
    covers = 0 if form["file"] else lines.below[line - 1] if alone else line
    if not rules:
        return Excuse(line, column, (), reason, -1, "it names no rule, so nothing is silenced", f"write {_EXAMPLE}")
    if len(re.findall(r"\w", reason)) < 2:
        wrong = "the reason is missing, so nothing is silenced"
        return Excuse(line, column, rules, reason, -1, wrong, "write behind the bracket why this is right here")
    if form["file"] and not at_top:
        wrong = "'ignore-file' counts above the first field only, so nothing is silenced"
        return Excuse(line, column, rules, reason, -1, wrong, "move it to the top, or write 'ignore' beside the line")
    return Excuse(line, column, rules, reason, covers)


def _scalars(text: str) -> tuple[list[tuple[int, int]], int, int]:
    """Where a '#' is text (quotes, blocks), where the first value begins, and how far the file could be read."""
    import yaml
    from yaml.events import DocumentStartEvent, ScalarEvent, StreamEndEvent, StreamStartEvent

    from tidegate.spec.source import Parser

    ranges: list[tuple[int, int]] = []
    first, end = len(text), 0
    parser = Parser(text)
    try:
        while not isinstance(event := parser.get_event(), StreamEndEvent):
            start, end = event.start_mark.index, event.end_mark.index
            if not isinstance(event, StreamStartEvent | DocumentStartEvent):
                first = min(first, start)
            if isinstance(event, ScalarEvent) and event.style in ("|", ">"):
                header = BREAK.search(text, start)  # a comment may stand behind the sign that opens a block
                ranges.append((header.end() if header else end, end))
            elif isinstance(event, ScalarEvent) and event.style:
                ranges.append((start, end))
    except yaml.YAMLError:
        return ranges, first, end
    return ranges, first, len(text)
