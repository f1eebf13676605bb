"""What YAML's parser complains about, in the words of somebody who has to mend the file. Neighbour: source.py."""

from __future__ import annotations

import re
from typing import Any

import yaml


def position(text: bytes, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of the byte at `offset`; a column counts characters."""
    before = text[:offset]
    return before.count(b"\n") + 1, len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1


def explain(error: yaml.YAMLError, text: str) -> tuple[int, int, str, str]:
    """Line, column, message and fix for an error of the YAML reader, scanner or parser."""
    conflict = re.search(r"^<{7}( |$)", text, re.MULTILINE)
    if conflict:
        return (
            text.count("\n", 0, conflict.start()) + 1,
            1,
            "an unresolved merge conflict",
            "choose a side and remove the marks",
        )
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return _unreadable(error, text)
    line, column = mark.line + 1, mark.column + 1
    message, fix = _words(error, _line(text, mark.line), mark.column)
    return line, column, message, fix


def _unreadable(error: Any, text: str) -> tuple[int, int, str, str]:
    offset = getattr(error, "position", None)
    if not isinstance(offset, int):
        return 1, 1, f"not YAML: {error}", "write it as YAML"
    found = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]", text)
    index = found.start() if found else min(offset, len(text))
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    return text.count("\n", 0, index) + 1, column, "a control character, which YAML does not allow", "remove it"


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number] if number < len(lines) else ""


def _words(error: Any, line: str, column: int) -> tuple[str, str]:
    problem, context = error.problem or "", error.context or ""
    opened = error.context_mark
    where = f" in line {opened.line + 1}, column {opened.column + 1}" if opened is not None else ""
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        return "a tab indents this line", "indent with spaces"
    if "cannot start any token" in problem:
        character = line[column : column + 1]
        if character == "\t":
            return "a tab stands where YAML wants spaces", "replace it with spaces"
        return f"a value cannot begin with '{character}'", "put the value in quotes"
    if "mapping values are not allowed" in problem:
        return ("a ': ' where no key can stand: a second one in a value, or a line that is indented too far",
                "put the value in quotes, or align the line with the keys around it")  # fmt: skip
    if "end of stream" in problem and "quoted" in context:
        return f"the quotes that open{where} are not closed", "close the quotes"
    if "flow" in context and "node" not in context:
        bracket = "]" if "sequence" in context else "}"
        return f"the bracket that opens{where} is not closed, or a comma is missing", f"add '{bracket}' or ','"
    if "flow" in context:
        return "the file ends, or goes on oddly, inside brackets", "close the brackets"
    if "escape character" in problem:
        return "an unknown escape in double quotes", "double the backslash, or use single quotes"
    if "block" in context or "could not find expected ':'" in problem:
        return f"this line does not fit what began{where}", "check its indentation and the colon after the key"
    return f"not YAML: {problem}" + (f" ({context})" if context else ""), "write it as YAML"
