"""Edits of a file's text at the place of a finding, for the mends: comments, order and layout stay as they are.

Neighbours: the rules' modules hand these to `Mend`, fixes.py applies them and looks whether they helped.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import yaml
from yaml.events import ScalarEvent, StreamEndEvent

from tidegate.rules.finding import Finding
from tidegate.rules.rule import Resolver
from tidegate.spec.source import Parser

_MEANT = re.compile(r"did you mean '([^']+)'\?")
_PLAIN = re.compile(r"[A-Za-z0-9_.+-]+")


def scalar(text: str, finding: Finding) -> tuple[int, int] | None:
    """Where the key or value begins and ends that a finding points at, quotes and all; None when there is none."""
    parser = Parser(text)
    try:
        while not isinstance(event := parser.get_event(), StreamEndEvent):
            start, end = event.start_mark, event.end_mark
            if (start.line + 1, start.column + 1) == (finding.line, finding.column) and isinstance(event, ScalarEvent):
                return start.index, end.index
    except yaml.YAMLError:
        return None
    return None


def replaced(text: str, finding: Finding, new: Callable[[str], str | None]) -> str | None:
    """The text with what stands at the finding made into something else; None when it is nothing that `new` knows."""
    span = scalar(text, finding)
    if span is None:
        return None
    start, end = span
    made = new(text[start:end])
    return None if made is None else text[:start] + made + text[end:]


def quote(text: str, finding: Finding, _: Resolver | None) -> str | None:
    """Put a plain key or value into double quotes, as it is written."""
    return replaced(text, finding, lambda raw: f'"{raw}"' if _PLAIN.fullmatch(raw) else None)


def meant(text: str, finding: Finding, _: Resolver | None) -> str | None:
    """Write the word that was meant, where the finding's fix names one: `did you mean 'replicas'?`"""
    named = _MEANT.fullmatch(finding.fix)
    if named is None:
        return None

    def spell(raw: str) -> str:
        mark = raw[:1] if raw[:1] in "\"'" else ""
        return f"{mark}{named[1]}{mark}"

    return replaced(text, finding, spell)


def plain_number(text: str, finding: Finding, _: Resolver | None) -> str | None:
    """Write a whole number without the zeros before it, as Tidegate reads it: `010` is ten."""

    def bare(raw: str) -> str | None:
        found = re.fullmatch(r"([-+]?)0+([0-9]+)", raw)
        return f"{found[1].removeprefix('+')}{found[2]}" if found is not None else None

    return replaced(text, finding, bare)


def typed(text: str, finding: Finding, _: Resolver | None) -> str | None:
    """Quote what must be text, unquote what must be a number, and write true for yes."""
    if finding.fix.startswith("write ") and "must be text" in finding.message:
        return quote(text, finding, None)
    if finding.fix.startswith("remove the quotes around "):
        return replaced(text, finding, lambda raw: raw[1:-1] if re.fullmatch(r"([\"'])[-0-9.]+\1", raw) else None)
    if finding.fix in ("write true", "write false") and "is text" in finding.message:
        return replaced(text, finding, lambda raw: finding.fix.removeprefix("write ") if raw.isalpha() else None)
    return None
