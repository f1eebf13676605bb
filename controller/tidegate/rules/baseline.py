"""The findings that a repository lives with: `.tidegate-baseline.json` at its root names them, and they are not told.

Pure. Neighbours: fingerprint.py names the findings, cli/validate.py reads and writes the file, api.py honours it for the
controller. Paths are relative to the root. What cannot be read is never hidden.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tidegate.rules.finding import Finding
from tidegate.rules.fingerprint import fingerprints
from tidegate.rules.suppress import Sifted, Silenced
from tidegate.spec.errors import NeedsPerson

NAME: Final = ".tidegate-baseline.json"
VERSION: Final = 1
_AGAIN = "write it anew: tidegate validate --write-baseline"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One finding that is known: where it was, of which rule, and its fingerprint."""

    path: str
    rule: str
    fingerprint: str


def parse(text: bytes, where: str = NAME) -> tuple[Entry, ...]:
    """The entries of a baseline file. Raises NeedsPerson for anything else, and for a later version of the format."""
    try:
        document = json.loads(text)
        version, found = document["version"], document["findings"]
        entries = tuple(Entry(*(_text(one[name]) for name in ("path", "rule", "fingerprint"))) for one in found)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NeedsPerson("is no baseline of Tidegate", where=where, fix=_AGAIN) from error
    if version != VERSION:
        fix = f"use the Tidegate that wrote it, or {_AGAIN}"
        raise NeedsPerson(f"has version {version}, and this Tidegate reads version {VERSION}", where=where, fix=fix)
    return entries


def render(findings: Sequence[Finding], sources: Mapping[str, bytes]) -> tuple[bytes, int]:
    """The file for these findings, sorted, one a line, and how many entries it has."""
    entries = sorted(
        Entry(finding.path, finding.rule, fingerprint)
        for finding, fingerprint in zip(findings, fingerprints(findings, sources), strict=True)
        if not _fixed(finding.rule)
    )
    lines = [
        json.dumps({"path": one.path, "rule": one.rule, "fingerprint": one.fingerprint}, ensure_ascii=True)
        for one in entries
    ]
    body = ",\n".join(f"    {line}" for line in lines)
    return f'{{\n  "version": {VERSION},\n  "findings": [\n{body}\n  ]\n}}\n'.encode(), len(entries)


def hide(findings: Sequence[Finding], sources: Mapping[str, bytes], entries: Sequence[Entry]) -> tuple[Sifted, int]:
    """The findings without and with those that the entries name, and how many entries name nothing any more."""
    known = {entry.fingerprint for entry in entries}
    kept: list[Finding] = []
    hidden: list[Silenced] = []
    for finding, fingerprint in zip(findings, fingerprints(findings, sources), strict=True):
        if fingerprint in known and not _fixed(finding.rule):
            hidden.append(Silenced(finding, "baseline", f"in the baseline ({NAME})"))
            known.discard(fingerprint)
        else:
            kept.append(finding)
    return Sifted(tuple(kept), tuple(hidden)), len(known)


def _fixed(rule: str) -> bool:
    from tidegate.rules.registry import BY_ID  # the catalogue is large; there may be nothing to look up

    found = BY_ID.get(rule)
    return found is not None and found.fixed


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
