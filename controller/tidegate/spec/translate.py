"""Pydantic's errors as Problems: the line and column in the file, what was expected there, and the edit that fixes it.

Neighbours: declared.py calls it for each file that does not fit its kind; vocabulary.py knows the fields of a kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from tidegate.spec.source import IDENTIFIERS, Loc, Problem, Source
from tidegate.spec.vocabulary import fields_at, homes_of, pattern_words, similar

MOST: Final = 100
"""Places in one file that are told: each costs a look at the whole of it, and nobody reads more."""

_WANTED = {
    "string_type": "text", "int_type": "a whole number", "bool_type": "true or false", "float_type": "a number",
    "tuple_type": "a list", "list_type": "a list", "dict_type": "a mapping", "mapping_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "int_from_float": "a whole number",
    "iterable_type": "a list",
}  # fmt: skip
_TAGS = {
    "str": "text", "int": "a number", "float": "a number", "bool": "true or false", "null": "nothing",
    "seq": "a list", "map": "a mapping",
}  # fmt: skip


def problems_of(error: ValidationError, kind: type[BaseModel], source: Source) -> Iterator[Problem]:
    """One Problem for each place that pydantic complains about; where there are too many, for the first of them."""
    seen: set[Loc] = set()
    details = error.errors(include_url=False, include_context=True)
    for number, detail in enumerate(details[:MOST], start=1):
        loc = _real(detail["loc"], source)
        inside = detail["type"] == "too_short" and any(known[: len(loc)] == loc for known in seen)
        if loc not in seen and not inside:
            problem = _problem(detail, loc, kind, source)
            if number == MOST < len(details):
                problem = replace(problem, message=f"{problem.message} (and {len(details) - MOST} more in this file)")
            yield problem
        seen.add(loc)


def _real(loc: Loc, source: Source) -> Loc:
    """The location without the names of union members that pydantic mixes in; a last missing field stays."""
    real: list[str | int] = []
    node = source.tree
    for index, part in enumerate(loc):
        entries = node[1] if node is not None and node[0] == "map" else ()
        child = next((entry[1] for entry in entries if entry[0] == part), None)
        if child is not None:
            node = child
        elif node is not None and node[0] == "seq" and isinstance(part, int):
            node = node[1][part] if part < len(node[1]) else None
        elif not (
            index == len(loc) - 1 and isinstance(part, str) and part.isidentifier() and node and node[0] == "map"
        ):
            continue
        real.append(part)
    return tuple(real)


def _problem(detail: Any, loc: Loc, kind: type[BaseModel], source: Source) -> Problem:
    name = _name(loc)
    match detail["type"]:
        case "extra_forbidden":
            return _unknown(loc, kind, source)
        case "missing":
            parent = _name(loc[:-1])
            below = f" below '{parent}'" if parent else ""
            return source.problem(loc[:-1], "missing-field", f"'{loc[-1]}' is missing{below}", f"add '{loc[-1]}:'")
        case "literal_error":
            return _choice(detail, loc, source)
        case "string_pattern_mismatch":
            words, fix = pattern_words(detail["ctx"]["pattern"])
            return source.problem(loc, "wrong-value", f"'{name}' is '{_shown(detail['input'])}': {words}", fix)
        case "value_error" if str(detail["ctx"]["error"]) == "must be a number":
            return _type(loc, "a number", source)
        case "too_short":
            return source.problem(loc, "wrong-value", f"'{name}' is empty", "add at least one entry")
        case "value_error":
            message, _, fix = str(detail["ctx"]["error"]).partition(": ")
            message = f"'{name}': {message}" if name else message
            return source.problem(loc, "wrong-value", message, fix or _do(message, name))
        case wrong if wrong in _WANTED:
            return _type(loc, _WANTED[wrong], source)
        case _:
            message = detail["msg"][:1].lower() + detail["msg"][1:]
            fix = f"change '{name}' so that it fits" if name else "change the file so that it fits"
            return source.problem(loc, "wrong-value", f"'{name}': {message.replace('input ', '')}", fix)


def _name(loc: Loc) -> str:
    """`runtime.resources.cpus`, `steps[0].for`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _do(message: str, name: str) -> str:
    return (
        "change it so that it fits"
        if "needs" not in message
        else f"add what is missing{f' below {name!r}' if name else ''}"
    )


def _unknown(loc: Loc, kind: type[BaseModel], source: Source) -> Problem:
    name = str(loc[-1])
    fields = fields_at(kind, loc[:-1])
    close = similar(name, fields)
    homes = [home for home in homes_of(kind, name) if home != _name(loc[:-1])]
    if close:
        fix = f"did you mean '{close}'?"
    elif homes:
        fix = f"it belongs below '{homes[0]}'" if homes[0] else "it belongs at the top level of the file"
    else:
        fix = f"remove it; known here: {', '.join(sorted(fields))}" if fields else "remove it"
    place = _name(loc[:-1])
    return source.problem(
        loc, "unknown-field", f"unknown field '{name}'" + (f" below '{place}'" if place else ""), fix, key=True
    )


def _choice(detail: Any, loc: Loc, source: Source) -> Problem:
    choices = detail["ctx"]["expected"].replace("'", "")
    options = choices.replace(" or ", ", ").split(", ")
    close = similar(str(detail["input"]), options)
    fix = (
        f"did you mean '{close}'?"
        if close
        else f"write one of: {', '.join(options)}"
        if options[1:]
        else f"write {choices}"
    )
    return source.problem(loc, "wrong-value", f"'{_name(loc)}' is '{_shown(detail['input'])}', not {choices}", fix)


def _type(loc: Loc, wanted: str, source: Source) -> Problem:
    raw = source.raw(loc)
    tag, text = raw or ("null", "")
    name, last = _name(loc), next((part for part in reversed(loc) if isinstance(part, str)), "")
    if wanted == "text" and text:
        quoted = f'write {last}: "{text}"' if loc and loc[-1] == last else f'write "{text}"'
        if last in IDENTIFIERS and tag in ("int", "float"):
            read = f"YAML reads {text} as {float(text)!r}" if tag == "float" else f"{text} must be text"
            return source.problem(loc, "unquoted-identifier", f"'{name}' is an unquoted number: {read}", quoted)
        return source.problem(loc, "wrong-type", f"'{name}' must be text: unquoted, {text} is {_TAGS[tag]}", quoted)
    if wanted == "a list" and tag == "str":
        return source.problem(loc, "wrong-type", f"'{name}' must be a list, not text", f"write [{text}]")
    if wanted == "true or false" and text.lower() in ("yes", "on", "no", "off", "y", "n"):
        meant = "true" if text.lower() in ("yes", "on", "y") else "false"
        return source.problem(
            loc, "wrong-type", f"'{name}' must be true or false, and '{text}' is text", f"write {meant}"
        )
    bare = wanted in ("a number", "a whole number") and tag == "str" and text.replace(".", "", 1).lstrip("-").isdigit()
    fix = f"remove the quotes around {text}" if bare else f"write {wanted}"
    return source.problem(loc, "wrong-type", f"'{name}' must be {wanted}, not {_TAGS[tag]}", fix)
