"""What a rule is: an identity, a manual page, examples that are its tests, a check, and a mend where one is possible.

Neighbours: checks/ holds one module a rule, context.py is what a check may look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.spec.declared import Loaded
from tidegate.spec.source import Loc

Severity = Literal["error", "warning"]
Scope = Literal["file", "model", "general"]
"""What a rule needs: each file by itself; a model's folder with the policies and the governance; or what belongs to no
model, with the facts of all of them. It decides what is judged again after a change, and what runs side by side."""


@dataclass(frozen=True, slots=True)
class Example:
    """An edit to one file of the repository in example/: `old` becomes `new`; without `old`, `new` is all of it.

    `at`: what stands at the line and column of the finding in a bad example; '' means 1:1, the whole file.
    `mended`: what `new` becomes when the finding's fix is followed, `old` when nothing is said.
    `mended_path`: where the file lies then, when the fix is to name it otherwise.
    `deleted`: the file is taken away instead, or moved to `new`; mended, it is back.
    """

    path: str
    new: str
    old: str = ""
    at: str = ""
    mended: str | None = None
    mended_path: str = ""
    deleted: bool = False


class Resolver(Protocol):
    """Asks the world what something floating is now; only `--unsafe-fixes` has one. None: nobody could say."""

    @property
    def today(self) -> date:
        """The day on which it asks, for the comment that says so."""

    def image(self, reference: str) -> str | None:
        """The `sha256:...` digest that an image's tag points at."""

    def commit(self, repository: str, reference: str) -> str | None:
        """The full commit that a branch or tag of a git repository points at."""


@dataclass(frozen=True, slots=True)
class Mend:
    """Makes a finding go away. `apply(text, finding, resolver)` gives the file's new text, or None when it cannot.

    `safe`: the meaning of the file stays what its author wrote. A mend that is not safe may ask the resolver.
    """

    apply: Callable[[str, Finding, Resolver | None], str | None]
    safe: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `manual`: its page, the first line says what it asks for. `fixed`: governance cannot change it,
    because what it finds cannot be read at all. `family` is the folder it lies in; the registry fills it in.

    `compares`: it finds something in a change only, seen against a base (all of family history do). Once merged it has
    nothing to say, so a comment that silenced it is not told as unused.
    """

    id: str
    severity: Severity
    since: str
    manual: str
    check: Callable[[Context], Iterator[Finding]]
    bad: tuple[Example, ...]
    good: tuple[Example, ...] = ()
    fixed: bool = False
    scope: Scope = "model"
    mend: Mend | None = None
    family: str = ""
    compares: bool = False

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


def unreadable(
    code: str,
    manual: str | None,
    bad: tuple[Example, ...],
    good: tuple[Example, ...] = (),
    mend: Mend | None = None,
) -> Rule:
    """The rule for the problems of that code, which loading has found already."""

    def check(context: Context) -> Iterator[Finding]:
        for problem in context.declared.problems:
            if problem.code == code:
                yield rule.at(problem.path, problem.line, problem.column, problem.message, problem.fix)

    rule = Rule(code, "error", "0.1.0", manual or "", check, bad, good, fixed=True, scope="file", mend=mend)
    return rule
