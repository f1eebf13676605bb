"""What a rule is: an identity, a manual page, examples that are its tests, and a check.

Neighbours: checks/ holds one module a rule, context.py is what a check may look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.spec.declared import Loaded
from tidegate.spec.source import Loc

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Example:
    """An edit to one file of the repository in example/: `old` becomes `new`; without `old`, `new` is all of it."""

    path: str
    new: str
    old: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `manual`: its page, the first line says what it asks for. `fixed`: governance cannot change it,
    because what it finds cannot be read at all."""

    id: str
    severity: Severity
    since: str
    manual: str
    check: Callable[[Context], Iterator[Finding]]
    bad: tuple[Example, ...]
    good: tuple[Example, ...] = ()
    fixed: bool = False

    @property
    def summary(self) -> str:
        """The first line of the manual page."""
        return self.manual.strip().splitlines()[0]

    def finding(self, loaded: Loaded[Any], loc: Loc, message: str, fix: str, *, key: bool = False) -> Finding:
        """A finding at the value (or key) of `loc` in a loaded file."""
        return self.at(loaded.path, *loaded.source.at(loc, key=key), message, fix)

    def at(self, path: str, line: int, column: int, message: str, fix: str) -> Finding:
        """A finding at a line and column, from 1."""
        return Finding(path, line, column, self.id, self.severity, message, fix)


def unreadable(code: str, manual: str | None, bad: tuple[Example, ...], good: tuple[Example, ...] = ()) -> Rule:
    """The rule for the problems of that code, which loading has found already."""

    def check(context: Context) -> Iterator[Finding]:
        for problem in context.declared.problems:
            if problem.code == code:
                yield rule.at(problem.path, problem.line, problem.column, problem.message, problem.fix)

    rule = Rule(code, "error", "0.1.0", manual or "", check, bad, good, fixed=True)
    return rule
