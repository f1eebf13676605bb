"""Reporters: findings as text for people, json and jsonl for programs, annotations for GitHub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.rules.report.github import github
from tidegate.rules.report.machine import as_json, as_jsonl
from tidegate.rules.report.model import Report
from tidegate.rules.report.text import text

REPORTERS: Final[dict[str, Callable[[Report], str]]] = {
    "text": text,
    "json": as_json,
    "jsonl": as_jsonl,
    "github": github,
}
"""Format name -> what goes to standard output, without the last newline; '' when there is nothing to print."""

__all__ = ["REPORTERS", "Report"]
