"""Editing single fields of a YAML text by their place in it: every other character stays as it was.

Neighbours: deployment.py edits deployments with it. Why not a round trip through a YAML library: docs/design/git.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tidegate.spec.errors import NeedsPerson

# libyaml where it is there, as the validator reads: it takes a tab before a comment, the other does not.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN = re.compile(r"[a-z][a-z0-9-]*(@[0-9a-f]+)?")
_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True, slots=True)
class Field:
    """Where one field stands, in characters: its key, the end of the key, the end of its value; its whole lines."""

    name: str
    start: int
    key_end: int
    value_start: int
    end: int
    line_start: int
    line_end: int


@dataclass(frozen=True, slots=True)
class Section:
    """One mapping in a text. `flow`: written in braces. `indent`: column of its keys. `end`: of its last value."""

    fields: dict[str, Field]
    flow: bool
    indent: int
    start: int
    end: int


def section(text: str, path: Sequence[str]) -> Section | None:
    """The mapping at `path` (() is the whole text), None when there is none or nothing in it (`features:`).

    Raises NeedsPerson when the text is no YAML mapping.
    """
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise NeedsPerson(f"cannot be edited: {error}", fix="mend the YAML first (tidegate validate)") from error
    if node is None:
        return None
    if not isinstance(node, yaml.MappingNode):
        raise NeedsPerson("cannot be edited: it holds no fields", fix="mend the YAML first (tidegate validate)")
    for name in path:
        node = next((value for key, value in node.value if key.value == name), None)
        if not isinstance(node, yaml.MappingNode):
            return None
    fields = {}
    for key, value in node.value:
        end = _end(value, text)
        fields[key.value] = Field(
            key.value,
            key.start_mark.index,
            key.end_mark.index,
            value.start_mark.index,
            end,
            text.rfind("\n", 0, key.start_mark.index) + 1,
            _next_line(text, end),
        )
    start = node.start_mark
    return Section(fields, bool(node.flow_style), start.column, start.index, _end(node, text))


def set_field(text: str, path: Sequence[str], name: str, value: Any, after: Sequence[str] = ()) -> str:
    """The same text with one field set; missing mappings on the way are made. A comment behind the value stays.

    A new field stands behind the last one of `after` that is there, else at the end of its mapping.
    """
    return _put(text, path, name, value if isinstance(value, _Raw) else _Raw(render(value)), after)


def copy_field(text: str, path: Sequence[str], name: str, source: str, after: Sequence[str] = ()) -> str:
    """The same text with one field as `source` writes it, comment and quotes included, or without it as `source` is."""
    theirs = section(source, path)
    if theirs is None or name not in theirs.fields:
        return remove_field(text, path, name)
    field = theirs.fields[name]
    ours = section(text, path)
    if ours is not None and not ours.flow and not theirs.flow and ours.indent == theirs.indent:
        mine = ours.fields.get(name)
        place = mine.line_start if mine else _line_behind(text, ours, after)
        lines = _ended(_with_newlines_of(text, source[field.line_start : field.line_end]), text)
        return _joined(_ended(text[:place], text) + lines, text[mine.line_end if mine else place :], ours.indent)
    value = source[field.value_start : field.end]
    if value[0] not in "'\"" or "\n" in value:
        found = yaml.load(source, Loader=_LOADER)  # noqa: S506 either one is a safe loader
        for part in (*path, name):
            found = found[part]
        value = render(found)
    return _put(text, path, name, _Raw(value), after)


def remove_field(text: str, path: Sequence[str], name: str) -> str:
    """The same text without one field, and without the mappings below the top that it leaves empty."""
    found = section(text, path)
    if found is None or name not in found.fields:
        return text
    if len(found.fields) == 1 and path:
        return remove_field(text, path[:-1], path[-1])
    field = found.fields[name]
    if not found.flow:
        return _joined(text[: field.line_start], text[field.line_end :], found.indent)
    behind = re.compile(r"\s*,\s*").match(text, field.end)
    if behind:
        return text[: field.start] + text[behind.end() :]
    return re.sub(r"\s*,\s*$", "", text[: field.start]) + text[field.end :]


def without(text: str, path: Sequence[str], names: Iterable[str]) -> str:
    """The text with these fields cut out: two texts that differ only in them are equal then."""
    found = section(text, path)
    if found is None:
        return text
    cut = [found.fields[name] for name in names if name in found.fields]
    if path and len(cut) == len(found.fields):
        return remove_field(text, path[:-1], path[-1])
    if found.flow:
        for field in cut:
            text = remove_field(text, path, field.name)
        return text
    for field in sorted(cut, key=lambda field: -field.start):
        text = text[: field.line_start] + text[field.line_end :]
    return text


def render(value: Any) -> str:
    """A value on one line of YAML: names plain, other strings in double quotes, lists and mappings in brackets."""
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value not in _NOT_PLAIN
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(render(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{render(key)}: {render(item)}' for key, item in value.items())}}}"
    return json.dumps(value)


class _Raw(str):
    """YAML text, to be written as it is."""

    __slots__ = ()


def quoted(value: str) -> _Raw:
    """A string that stands in double quotes, whatever it looks like: for versions and ids."""
    return _Raw(json.dumps(value, ensure_ascii=False))


def _put(text: str, path: Sequence[str], name: str, value: _Raw, after: Sequence[str]) -> str:
    found = section(text, path)
    if found is None or (found.flow and not found.fields):
        if not path:
            raise NeedsPerson("cannot be edited: it holds no fields", fix="mend the YAML first (tidegate validate)")
        return _put(text, path[:-1], path[-1], _Raw(f"{{{render(name)}: {value}}}"), ())
    field = found.fields.get(name)
    if field is not None:
        return f"{text[: field.key_end]}: {value}{text[field.end :]}"
    if found.flow:
        last = [other for other in after if other in found.fields] or list(found.fields)
        place = found.fields[last[-1]].end
        return f"{text[:place]}, {render(name)}: {value}{text[place:]}"
    place = _line_behind(text, found, after)
    line = _ended(f"{' ' * found.indent}{render(name)}: {value}", text)
    return _ended(text[:place], text) + line + text[place:]


def _end(node: yaml.Node, text: str) -> int:
    """Where a value really ends: the library counts blank lines and comments behind a block to it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last, text)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return max(node.start_mark.index, len(text[: node.end_mark.index].rstrip()))
    return int(node.end_mark.index)


def _joined(before: str, after: str, indent: int) -> str:
    """Two halves of a text. An indented comment that would become text of a block scalar above it moves to the left."""
    node = yaml.compose(before, Loader=_LOADER)
    while isinstance(node, yaml.CollectionNode) and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        match = re.match(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*(?:[ \t]*#[^\n]*$)?", after)
        comments = match[0] if match else ""
        after = re.sub(r"(?m)^[ \t]*(?=#)", " " * indent, comments) + after[len(comments) :]
    return before + after


def _line_behind(text: str, found: Section, after: Sequence[str]) -> int:
    """Where a new line of a section goes: behind the last of the fields `after` that is there, else at its end."""
    before = [found.fields[name] for name in after if name in found.fields]
    return before[-1].line_end if before else _next_line(text, found.end)


def _next_line(text: str, position: int) -> int:
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1


def _with_newlines_of(text: str, lines: str) -> str:
    lines = lines.replace("\r\n", "\n")
    return lines.replace("\n", "\r\n") if "\r\n" in text else lines


def _ended(lines: str, text: str) -> str:
    """The lines with a line end, in the text's own manner."""
    return lines if lines.endswith("\n") or not lines else lines + ("\r\n" if "\r\n" in text else "\n")
