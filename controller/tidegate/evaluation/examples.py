"""Evaluation sets: JSON lines with `input`, `expected` and slices, one example a line. Pure.

Neighbours: measure.py sends the inputs, metrics.py compares answers with what was expected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.spec.errors import NeedsPerson


@dataclass(frozen=True, slots=True)
class Example:
    """One line. `number` counts from 1. `path`: where it is sent instead of the protocol's own place."""

    number: int
    input: Any
    expected: Any = None
    slices: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None


def read_examples(content: bytes, where: str) -> list[Example]:
    """All examples of a file, blank lines left out. Raises NeedsPerson for a line that is none."""
    found = [_example(number, line, where) for number, line in enumerate(content.splitlines(), start=1) if line.strip()]
    if not found:
        raise NeedsPerson("the set has no examples", where=where, fix='write one JSON object a line: {"input": ...}')
    return found


def _example(number: int, line: bytes, where: str) -> Example:
    fix = 'write {"input": ..., "expected": ..., "slice": {"group": "member"}} on one line'
    try:
        doc = json.loads(line)
    except ValueError as error:
        raise NeedsPerson(f"line {number} is no JSON: {error}", where=where, fix=fix) from error
    if not isinstance(doc, dict) or "input" not in doc:
        raise NeedsPerson(f"line {number} has no 'input'", where=where, fix=fix)
    slices = doc.get("slice", doc.get("slices")) or {}
    if not isinstance(slices, dict):
        raise NeedsPerson(f"line {number}: 'slice' is no mapping of group to member", where=where, fix=fix)
    members = {str(group): str(member) for group, member in slices.items()}
    return Example(number, doc["input"], doc.get("expected"), members, doc.get("path"))
