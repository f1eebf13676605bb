"""A finding: which rule, where, what and the edit that fixes it. Every rule yields these; reporters print them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing wrong. `line` and `column` count from 1; 1:1 where the whole file is meant."""

    path: str
    line: int
    column: int
    rule: str
    severity: Literal["error", "warning"]
    message: str
    fix: str
