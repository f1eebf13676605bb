"""Do two answers to one request say the same? One of the stable release, one of its shadow. Pure.

What cannot be read is no agreement and no disagreement: `Unreadable`, and whoever counts pairs leaves it out.
Neighbours: spec/comparison.py says how, engine/shadowing.py brings the halves together.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from rapidfuzz import fuzz

from tidegate.spec.comparison import Comparison

SHOWN: Final = 2000
"""Characters of an answer that people are shown."""
HIDDEN: Final = "(redacted)"
_UNIMPORTANT: Final = (
    "id",
    "created",
    "created_at",
    "system_fingerprint",
    "usage",
    "timings",
    "model",
    "model_version",
)
_TEXTS: Final = (
    "choices[].message.content",
    "choices[].text",
    "output[].content[].text",
    "events[].choices[].delta.content",
    "events[].choices[].text",
)
_LARGEST: Final = 1_000_000


class UnreadableError(ValueError):
    """An answer that cannot be compared, and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One half of a pair. `body`: its first bytes, of `size` in all. `encoding`: of the content, '' for none."""

    status: int
    body: bytes
    size: int
    type: str = ""
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Opinion:
    """Whether two answers agree, and what people should know when they do not."""

    agree: bool
    why: str = ""


def suited(declared: Comparison | None, protocol: str) -> tuple[Comparison, ...]:
    """The ways to compare, of which the first that finds anything is taken: the declared one, else what suits the protocol."""
    if declared is not None:
        return (declared,)
    if protocol == "open-inference":
        return (Comparison(by="numeric", paths=("outputs[].data",), tolerance=1e-6, relative=1e-6),)
    if protocol == "openai":
        vectors = Comparison(by="numeric", paths=("data[].embedding",), tolerance=1e-6, relative=1e-6)
        return (Comparison(by="text", paths=_TEXTS), vectors, Comparison(by="json", ignore=_UNIMPORTANT))
    return (Comparison(by="json"), Comparison(by="exact"))


def compare(ways: tuple[Comparison, ...], stable: Answer, shadow: Answer) -> Opinion:
    """Whether the shadow answers as the stable release does. Raises UnreadableError when that cannot be told."""
    if stable.status != shadow.status:
        return Opinion(False, f"status {shadow.status} instead of {stable.status}")
    one, other = _content(stable), _content(shadow)
    why: UnreadableError | None = None
    for way in ways:
        try:
            return _by(way, (one, stable.type), (other, shadow.type))
        except UnreadableError as error:
            why = why or error
    raise why or UnreadableError("there is no way to compare them")


def _by(way: Comparison, one: tuple[bytes, str], other: tuple[bytes, str]) -> Opinion:
    if way.by == "exact":
        same = one[0] == other[0]
        return Opinion(same, "" if same else "the answers differ")
    first, second = _found(way, *one), _found(way, *other)
    if not first and not second:
        raise UnreadableError(f"neither answer has anything at {', '.join(way.paths)}")
    if way.by == "text":
        return _alike("".join(_texts(first)), "".join(_texts(second)), way.similarity)
    if first.keys() != second.keys():
        path = min(first.keys() ^ second.keys())
        return Opinion(False, f"only the {'stable' if path in first else 'shadow'} answer has {path or 'anything'}")
    for path, value in first.items():
        difference = next(_differences(way, value, second[path], path), None)
        if difference is not None:
            return Opinion(False, difference)
    return Opinion(True)


def _content(answer: Answer) -> bytes:
    if answer.size > len(answer.body):
        raise UnreadableError(f"an answer of {answer.size:,} bytes was not kept whole")
    if answer.encoding in ("", "identity", "-"):
        return answer.body
    if answer.encoding not in ("gzip", "deflate"):
        raise UnreadableError(f"an answer is encoded as {answer.encoding}")
    try:
        unpacked = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(answer.body, _LARGEST)
    except zlib.error as error:
        raise UnreadableError(f"an answer is no {answer.encoding}: {error}") from error
    return unpacked


def _found(way: Comparison, body: bytes, kind: str) -> dict[str, Any]:
    """What stands at each path that leads anywhere; without paths the whole answer, as path ''."""
    doc = document(body, kind)
    if doc is None and way.by == "text" and not way.paths:
        doc = body.decode(errors="replace")
    if doc is None:
        raise UnreadableError("an answer is no JSON")
    if not way.paths:
        return {"": _without(doc, way.ignore)}
    try:
        values = {path: jmespath.search(path, doc) for path in way.paths}
    except JMESPathError as error:
        raise UnreadableError(f"a path is none: {str(error).splitlines()[0]}") from error
    return {path: _without(value, way.ignore) for path, value in values.items() if value not in (None, [], "")}


def document(body: bytes, kind: str) -> Any:
    """An answer's JSON; of an event stream `{"events": [...]}`; None when it is neither."""
    if kind.startswith("text/event-stream"):
        lines = (line.removeprefix(b"data:").strip() for line in body.splitlines() if line.startswith(b"data:"))
        events = [_json(line) for line in lines]
        return {"events": [event for event in events if event is not None]}
    return _json(body)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _without(value: Any, names: tuple[str, ...]) -> Any:
    if not names:
        return value
    if isinstance(value, Mapping):
        return {name: _without(inner, names) for name, inner in value.items() if name not in names}
    return [_without(inner, names) for inner in value] if isinstance(value, list) else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _alike(one: str, other: str, least: float) -> Opinion:
    likeness = fuzz.ratio(one, other) / 100
    if likeness >= least:
        return Opinion(True)
    return Opinion(False, f"the texts are {likeness:.0%} alike, {least:.0%} are asked for")


def _differences(way: Comparison, one: Any, other: Any, path: str) -> Iterator[str]:
    """The first difference is enough; where it is, and both values."""
    here = path or "the answer"
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted(one.keys() | other.keys()):
            inner = f"{path}.{name}" if path else name
            if name not in one or name not in other:
                yield f"only the {'stable' if name in one else 'shadow'} answer has {inner}"
            else:
                yield from _differences(way, one[name], other[name], inner)
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{here} has {len(other)} values instead of {len(one)}"
        for index, (mine, theirs) in enumerate(zip(one, other, strict=False)):
            yield from _differences(way, mine, theirs, f"{path}[{index}]")
    elif not _same(way, one, other):
        yield f"{here} is {_short(other)} instead of {_short(one)}"


def _same(way: Comparison, one: Any, other: Any) -> bool:
    if way.by == "label":
        return str(one).strip().casefold() == str(other).strip().casefold()
    if _is_number(one) and _is_number(other):
        return one == other or math.isclose(one, other, rel_tol=way.relative, abs_tol=way.tolerance)
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def shown(answer: Answer, redact: tuple[str, ...]) -> str:
    """An answer as people may see it: without the values of the members that are `redact`ed ('*': of all), cut to SHOWN."""
    try:
        body = _content(answer)
    except UnreadableError as error:
        return f"({error})"
    doc = document(body, answer.type)
    if doc is None:
        return HIDDEN if redact else body.decode(errors="replace")[:SHOWN]
    return json.dumps(_hidden(doc, redact), ensure_ascii=False)[:SHOWN]


def _hidden(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {name: HIDDEN if name in names else _hidden(inner, names) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner, names) for inner in value]
    return HIDDEN if "*" in names else value
