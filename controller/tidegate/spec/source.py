"""One fast pass over a YAML file: plain data, and the line and column of every key and value.

YAML 1.2 core meaning, whatever the library's own resolver thinks; what is ambiguous, doubled or clever is a Problem.
Neighbours: syntax.py puts the library's complaints into words, digest.py reads `Source.tree`, declared.py loads kinds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from tidegate.spec.layout import MAX_BYTES as MAX_BYTES
from tidegate.spec.syntax import explain, position

try:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]  # the stubs leave it out
except ImportError:  # PyYAML without libyaml: ten times slower, the same events
    from tidegate.spec.pure import PureParser as _Parser  # type: ignore[assignment]  # the same get_event()

Parser: Final[Any] = _Parser
"""Gives a text's events one by one (`get_event`), with marks that count characters. libyaml's where it is there."""
MAX_DEPTH: Final = 64
_MOST_DIRECTIVES: Final = 64
IDENTIFIERS: Final = frozenset({"version", "sha256", "set_sha256", "commit", "image", "config", "digest"})
"""Fields that name one fixed thing: an unquoted number there is nearly always an identifier that YAML would change."""

Loc: TypeAlias = tuple[str | int, ...]
Node: TypeAlias = tuple[str, Any, int, int]
"""(tag, content, line, column). Content: raw text of a scalar; of a `seq` a tuple of nodes; of a `map` a tuple of
(key, node, line, column of the key). Plain tuples, because a thousand files make half a million of them."""

_NUMERIC = frozenset("-+.0123456789")
_CONSTANTS: dict[str, tuple[str, bool | None]] = {
    "": ("null", None), "~": ("null", None), "null": ("null", None), "Null": ("null", None), "NULL": ("null", None),
    "true": ("bool", True), "True": ("bool", True), "TRUE": ("bool", True),
    "false": ("bool", False), "False": ("bool", False), "FALSE": ("bool", False),
}  # fmt: skip
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_PADDED = re.compile(r"[-+]?0[0-9]+")
_CORE = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong in a file: where (counted from 1), which rule (`code`), what, and the edit that fixes it."""

    path: str
    line: int
    column: int
    code: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file. `data` is None when it is not YAML at all; with other problems it holds what could be read.

    `digests`: those that were taken of it already (digest.py); it never changes, so neither do they.
    """

    path: str
    data: Any
    problems: tuple[Problem, ...] = ()
    tree: Node | None = field(default=None, repr=False, compare=False)
    digests: dict[bytes, str] = field(default_factory=dict, repr=False, compare=False)

    def at(self, loc: Loc, *, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the value at `loc` (with `key`, of its key); the nearest enclosing if missing."""
        node = self.tree
        if node is None:
            return (1, 1)
        where = (node[2], node[3])
        for index, part in enumerate(loc):
            if node[0] == "map":
                entry = next((e for e in node[1] if e[0] == part), None)
                if entry is None:
                    break
                node = entry[1]
                where = (entry[2], entry[3]) if key and index == len(loc) - 1 else (node[2], node[3])
            elif node[0] == "seq" and isinstance(part, int) and 0 <= part < len(node[1]):
                node = node[1][part]
                where = (node[2], node[3])
            else:
                break
        return where

    def raw(self, loc: Loc) -> tuple[str, str] | None:
        """Tag (`str`, `int`, `float`, `bool`, `null`, `seq`, `map`) and source text (of a scalar) at `loc`, or None."""
        node = self.tree
        for part in loc:
            if node is None:
                return None
            if node[0] == "map":
                node = next((e[1] for e in node[1] if e[0] == part), None)
            elif node[0] == "seq" and isinstance(part, int) and 0 <= part < len(node[1]):
                node = node[1][part]
            else:
                return None
        return None if node is None else (node[0], node[1] if isinstance(node[1], str) else "")

    def problem(self, loc: Loc, code: str, message: str, fix: str, *, key: bool = False) -> Problem:
        """A problem at the value (or key) of `loc`."""
        return Problem(self.path, *self.at(loc, key=key), code, message, fix)


class _Refused(Exception):  # noqa: N818 it ends the reading and never leaves this module
    """Reading cannot go on; the problem is noted already."""


class _Builder:
    """Turns parser events into data and tree, in one pass, noting problems on the way."""

    def __init__(self, path: str, next_event: Callable[[], Any], problems: list[Problem]) -> None:
        self.path = path
        self.next = next_event
        self.problems = problems

    def note(self, event: Any, code: str, message: str, fix: str) -> None:
        mark = event.start_mark
        self.problems.append(Problem(self.path, mark.line + 1, mark.column + 1, code, message, fix))

    def build(self, event: Any, depth: int, name: str) -> tuple[Any, Node]:
        """Value and node of what starts with `event`; `name` is the key that it stands under."""
        kind = type(event)
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        if kind is ScalarEvent:
            text = event.value
            if event.anchor is not None or event.tag is not None:
                self.decorated(event)
            if not event.implicit[0] or event.tag is not None:
                return text, ("str", text, line, column)
            if text in _CONSTANTS:
                tag, constant = _CONSTANTS[text]
                return constant, (tag, text, line, column)
            if text[0] in _NUMERIC:
                tag, number = self.number(event, text, name)
                return number, (tag, text, line, column)
            return text, ("str", text, line, column)
        if kind is AliasEvent:
            self.note(event, "yaml-feature", f"'*{event.anchor}' repeats something from elsewhere in the file",
                      "write the value out here: each field is read on its own")  # fmt: skip
            return None, ("null", "", line, column)
        if event.anchor is not None or event.tag is not None:
            self.decorated(event)
        if depth >= MAX_DEPTH:
            self.note(event, "yaml-feature", f"more than {MAX_DEPTH} levels deep", "write it flatter")
            raise _Refused
        return (self.mapping if kind is MappingStartEvent else self.sequence)(depth + 1, line, column, name)

    def sequence(self, depth: int, line: int, column: int, name: str) -> tuple[Any, Node]:
        items, nodes = [], []
        event = self.next()
        while type(event) is not SequenceEndEvent:
            value, node = self.build(event, depth, name)
            items.append(value)
            nodes.append(node)
            event = self.next()
        return items, ("seq", tuple(nodes), line, column)

    def mapping(self, depth: int, line: int, column: int, _: str) -> tuple[Any, Node]:
        data: dict[str, Any] = {}
        entries: list[tuple[str, Node, int, int]] = []
        lines: dict[str, int] = {}  # of the keys, filled in where one is doubled
        event = self.next()
        while type(event) is not MappingEndEvent:
            if type(event) is not ScalarEvent:
                self.build(event, depth, "")
                self.note(event, "key-type", "a key must be text", "write a plain name before the colon")
                self.build(self.next(), depth, "")
                event = self.next()
                continue
            key: str = event.value
            mark: Any = event.start_mark
            if event.anchor is not None or event.tag is not None:
                self.decorated(event)
            elif event.implicit[0]:
                self.plain_key(event, key)
            doubled = key in data
            if doubled:
                lines |= {e[0]: e[2] for e in entries[len(lines) :]}
                self.note(event, "duplicate-key", f"'{key}' stands here a second time: the first is in line {lines[key]}",
                          "keep one of the two")  # fmt: skip
            value, node = self.build(self.next(), depth, key)
            if not doubled:
                data[key] = value
                entries.append((key, node, mark.line + 1, mark.column + 1))
            event = self.next()
        return data, ("map", tuple(entries), line, column)

    def plain_key(self, event: Any, key: str) -> None:
        if key == "<<":
            self.note(event, "yaml-feature", "'<<' merges another mapping into this one", "write the fields out")
        elif key in _CONSTANTS or (key[0] in _NUMERIC and (_INT.fullmatch(key) or _FLOAT.fullmatch(key))):
            self.note(event, "key-type", f"the key '{key}' is not text for YAML", f'write "{key}":')

    def number(self, event: Any, text: str, name: str) -> tuple[str, Any]:
        """Tag and value by YAML 1.2 core; text that only looks like a number stays text."""
        if _INT.fullmatch(text):
            base = 16 if "x" in text else 8 if "o" in text else 10
            if len(text) > 20 or not -(2**63) <= int(text, base) < 2**64:
                return self.odd(event, text, name, f"{text} is more than 64 bits can hold", "write a smaller number")
            if _PADDED.fullmatch(text):
                why = f"some readers of YAML take {text} as octal, others as decimal"
                tag, value = self.odd(event, text, name, why, f"write {int(text)}")
                return (tag, value) if name in IDENTIFIERS else ("int", int(text))
            return "int", int(text, base)
        if _FLOAT.fullmatch(text):
            value = float(text) if text[-1].isdigit() or text[-1] == "." else math.inf
            if not math.isfinite(value):
                return self.odd(event, text, name, f"{text} is no finite number", "write a finite number")
            return "float", value
        return "str", text

    def odd(self, event: Any, text: str, name: str, why: str, fix: str) -> tuple[str, Any]:
        if name in IDENTIFIERS:
            self.note(event, "unquoted-identifier", f"'{name}' is an unquoted number: {why}", f'write {name}: "{text}"')
        else:
            self.note(event, "odd-number", why, f'{fix}, or "{text}" if it is text')
        return "str", text

    def decorated(self, event: Any) -> None:
        if event.anchor is not None:
            self.note(event, "yaml-feature", f"'&{event.anchor}' names a value to be repeated elsewhere",
                      f"remove '&{event.anchor}' and write the value out where it is needed")  # fmt: skip
        tag = event.tag
        if tag is not None and tag.removeprefix(_CORE) not in ("str", "map", "seq"):
            shown = f"!!{tag.removeprefix(_CORE)}" if tag.startswith(_CORE) else tag
            self.note(
                event, "yaml-feature", f"the tag '{shown}' is not read", f"remove '{shown}' and write the plain value"
            )


def parse(text: bytes, path: str) -> Source:
    """Read one file. Never raises for what stands in it: that is in `Source.problems`, in order of position."""
    if len(text) > MAX_BYTES:
        return _hopeless(path, 1, 1, "file-size", f"more than {MAX_BYTES} bytes",
                         "keep data out of it and refer to it by uri and sha256")  # fmt: skip
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte 0x{text[error.start]:02x} is not UTF-8"
        return _hopeless(path, *position(text, error.start), "file-encoding", message, "save the file as UTF-8")
    if decoded.count("\n%") > _MOST_DIRECTIVES:  # the parser compares each with all before it
        line, column = position(text, text.index(b"\n%") + 1)
        return _hopeless(
            path, line, column, "yaml-feature", "directives are not read", "remove the lines that begin with '%'"
        )
    problems: list[Problem] = []
    try:
        return _document(_Builder(path, Parser(decoded).get_event, problems))
    except yaml.YAMLError as error:
        line, column, message, fix = explain(error, decoded)
        problems.append(Problem(path, line, column, "yaml-syntax", message, fix))
    except _Refused:
        pass  # the builder has noted why
    return Source(path, None, tuple(sorted(problems)))


def _document(builder: _Builder) -> Source:
    builder.next()  # the start of the stream
    if type(builder.next()) is StreamEndEvent:
        fix = "declare something in it, or delete it"
        return _hopeless(builder.path, 1, 1, "yaml-syntax", "the file is empty", fix)
    data, tree = builder.build(builder.next(), 0, "")
    builder.next()  # the end of the document
    more = builder.next()
    if type(more) is DocumentStartEvent:
        fix = "one file declares one thing: move it to its own file"
        builder.note(more, "yaml-feature", "a second document begins here", fix)
    return Source(builder.path, data, tuple(sorted(builder.problems)), tree)


def _hopeless(path: str, line: int, column: int, code: str, message: str, fix: str) -> Source:
    return Source(path, None, (Problem(path, line, column, code, message, fix),))
