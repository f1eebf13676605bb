"""The words of a kind: which fields stand where, what a pattern means to a person, which word was probably meant."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from tidegate.spec.source import Loc

_PATTERNS = (
    ("{64}", "64 lower-case hex digits are wanted", "write the sha256 that `sha256sum` prints"),
    (
        "(@[0-9a-f]",
        "NAME, or NAME@COMMIT with a lower-case hex commit, is wanted",
        "write the name of a file in configs/",
    ),
    (
        "{0,61}",
        "lower-case letters, digits and inner dashes are wanted, at most 63",
        "write a name like 'digits' or 'eu-west'",
    ),
    ("localhost", "HOST:PORT is wanted", "write an address like '127.0.0.1:8080'"),
    ("^[a-z0-9-]+$", "a header name in lower case is wanted", "write it like 'x-user-group'"),
)


def similar(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def pattern_words(pattern: str) -> tuple[str, str]:
    """What a pattern of spec/base.py asks for, and how to fulfil it."""
    for part, words, fix in _PATTERNS:
        if part in pattern:
            return words, fix
    return f"{pattern} is wanted", "change it so that it fits"


def fields(kind: type[BaseModel]) -> dict[str, Any]:
    """Field name as written in the file -> its annotation."""
    return {info.alias or name: info.annotation for name, info in kind.model_fields.items()}


def fields_at(kind: type[BaseModel], loc: Loc) -> list[str]:
    """Names of the fields that may stand below `loc`; empty where anything may."""
    found: set[str] = set()
    for model in _models_at(kind, loc):
        found.update(fields(model))
    return sorted(found)


def homes_of(kind: type[BaseModel], name: str) -> list[str]:
    """Where a field of this name does belong: '' is the top level, `runtime` a part."""
    homes = [""] if name in fields(kind) else []
    for part, annotation in fields(kind).items():
        homes += [part for model in _models(annotation) if name in fields(model)]
    return homes


def _models_at(kind: type[BaseModel], loc: Loc) -> list[type[BaseModel]]:
    here: list[Any] = [kind]
    for part in loc:
        below: list[Any] = []
        for annotation in here:
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                below += [fields(annotation)[str(part)]] if str(part) in fields(annotation) else []
            else:
                below += [member for member in get_args(annotation) if member not in (str, int, Ellipsis, type(None))]
        here = [member for annotation in below for member in _members(annotation)]
    return [m for a in here for m in _models(a) if a is m]


def _members(annotation: Any) -> Iterator[Any]:
    """The annotation without Annotated and with unions taken apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that occurs in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for member in get_args(annotation):
        yield from _models(member)
