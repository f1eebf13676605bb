"""Reporters: findings for people, for programs, and in the formats that CI systems read.

A function a format, of a Report; each is loaded when it is asked for. Neighbour: cli/validate.py prints and writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

from tidegate.rules.report.model import Report

_HOMES: Final = {
    "text": "text.text",
    "json": "machine.as_json",
    "jsonl": "machine.as_jsonl",
    "github": "github.github",
    "sarif": "sarif.sarif",
    "junit": "junit.junit",
    "gitlab": "gitlab.gitlab",
}
DOCUMENTS: Final = frozenset({"json", "sarif", "junit", "gitlab"})
"""Formats that are one document: they stand alone on standard output, and are written also when nothing was found."""


def reporter(name: str) -> Callable[[Report], str]:
    """What makes the text of a format, without its last newline; '' when there is nothing to print."""
    module, _, function = _HOMES[name].partition(".")
    found: Callable[[Report], str] = getattr(import_module(f"{__name__}.{module}"), function)
    return found


FORMATS: Final = tuple(_HOMES)

__all__ = ["DOCUMENTS", "FORMATS", "Report", "reporter"]
