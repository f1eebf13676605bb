"""One request and its answer in each protocol: what a client would send and where, and what the answer must look like.

Pure. The release's inference config is the gateway's business (gateway/front.py).
Neighbours: measure.py sends, metrics.py takes the outputs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegate.evaluation.examples import Example
from tidegate.evaluation.job import Target

WHOLE = ""
"""The name of an answer that has no parts: an OpenAI text, or a whole JSON answer."""
_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_FLOATS = ("FP16", "FP32", "FP64", "BF16")


class BadAnswer(Exception):  # noqa: N818 the name says what it is
    """An answer that breaks the protocol or the signature; the text says how."""


def path_of(target: Target, example: Example) -> str:
    """Where the request goes, below the server's root."""
    if example.path is not None:
        return "/" + example.path.lstrip("/")
    if target.protocol == "open-inference":
        return f"/v2/models/{target.model}/infer"
    if target.protocol == "openai":
        body = example.input if isinstance(example.input, Mapping) else {}
        return "/v1/chat/completions" if "messages" in body else "/v1/completions"
    return "/"


def body_of(target: Target, example: Example) -> bytes:
    """The request's body, as a client would send it: the example's input."""
    body = example.input
    if target.protocol == "openai" and isinstance(body, Mapping):
        body = {"model": target.model, **body, "stream": False}
    return json.dumps(body, ensure_ascii=False).encode()


def outputs_of(target: Target, example: Example, content: bytes) -> dict[str, Any]:
    """The answer's outputs by name; lists are flat. Raises BadAnswer when protocol or signature are broken."""
    try:
        doc = json.loads(content)
    except ValueError as error:
        raise BadAnswer(f"the answer is no JSON: {error}") from error
    if target.protocol == "open-inference":
        return _tensors(target, example, doc)
    if target.protocol == "openai":
        return {WHOLE: _text(doc)}
    _finite(WHOLE, doc)
    found = {WHOLE: doc, **(doc if isinstance(doc, dict) else {})}
    for wanted in target.outputs:
        name = str(wanted.get("name"))
        if wanted.get("optional"):
            continue
        if name not in found:
            raise BadAnswer(f"output '{name}' is missing")
        _values(name, str(wanted.get("datatype", "")), list(_flat(found[name])))
    return found


def _tensors(target: Target, example: Example, doc: Any) -> dict[str, Any]:
    outputs = doc.get("outputs") if isinstance(doc, dict) else None
    if not isinstance(outputs, list) or not all(isinstance(one, dict) and "name" in one for one in outputs):
        raise BadAnswer("the answer has no list 'outputs' of named tensors")
    found = {str(one["name"]): one for one in outputs}
    flat = {name: _tensor(name, one) for name, one in found.items()}
    asked = example.input.get("outputs") if isinstance(example.input, dict) else None
    chosen = {str(one.get("name")) for one in asked if isinstance(one, dict)} if asked else None
    for wanted in target.outputs:
        name = str(wanted.get("name"))
        if chosen is not None and name not in chosen:
            continue
        if name in found:
            _declared(name, wanted, found[name])
        elif not wanted.get("optional"):
            raise BadAnswer(f"output '{name}' is missing")
    return flat


def _tensor(name: str, tensor: Mapping[str, Any]) -> list[Any]:
    """The values of one tensor, flat; their number must be what the shape says."""
    data, shape = tensor.get("data"), tensor.get("shape")
    if not isinstance(data, list) or not isinstance(shape, list) or not all(type(n) is int for n in shape):
        raise BadAnswer(f"output '{name}' has no list 'data' with its 'shape'")
    flat = list(_flat(data))
    if len(flat) != math.prod(shape):
        raise BadAnswer(f"output '{name}' has {len(flat)} values, its shape {shape} says {math.prod(shape)}")
    _values(name, str(tensor.get("datatype", "")), flat)
    return flat


def _declared(name: str, wanted: Mapping[str, Any], tensor: Mapping[str, Any]) -> None:
    datatype, shape = wanted.get("datatype"), wanted.get("shape")
    if datatype is not None and tensor.get("datatype") != datatype:
        raise BadAnswer(f"output '{name}' is {tensor.get('datatype')}, the signature says {datatype}")
    if not isinstance(shape, Sequence):
        return
    given = tensor["shape"]
    if len(given) != len(shape) or any(want not in (-1, have) for want, have in zip(shape, given, strict=True)):
        raise BadAnswer(f"output '{name}' has the shape {given}, the signature says {list(shape)}")


def _values(name: str, datatype: str, flat: Sequence[Any]) -> None:
    _finite(name, flat)
    kinds: tuple[type, ...] = ()
    if datatype in _INTEGERS:
        kinds = (int,)
    elif datatype in _FLOATS:
        kinds = (int, float)
    elif datatype == "BOOL":
        kinds = (bool,)
    elif datatype == "BYTES":
        kinds = (str,)
    wrong = next(
        (v for v in flat if kinds and (not isinstance(v, kinds) or (isinstance(v, bool) and bool not in kinds))), None
    )
    if wrong is not None or (kinds and None in flat):
        raise BadAnswer(f"output '{name}' holds {json.dumps(wrong)[:40]}, which is no {datatype}")


def _finite(name: str, value: Any) -> None:
    for one in _flat(value):
        if isinstance(one, float) and not math.isfinite(one):
            raise BadAnswer(f"output '{name}' holds {one}" if name else f"the answer holds {one}")


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _flat(one)
    else:
        yield value


def _text(doc: Any) -> str:
    try:
        choice = doc["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
    except (KeyError, IndexError, TypeError) as error:
        raise BadAnswer("the answer has no choices[0].message.content, nor choices[0].text") from error
    if not isinstance(text, str):
        raise BadAnswer("the answer's text is none")
    return text.strip()
