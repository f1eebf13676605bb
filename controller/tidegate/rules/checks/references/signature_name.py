"""Every input and output in a signature has a name of its own, and a datatype and shape that clients can build.

`tidegate card` and the callers read the signature; a name that stands twice, or `float` where the protocol says `FP32`,
makes a request that the server refuses. Datatypes are those of the Open Inference Protocol: BOOL, UINT8 to UINT64, INT8
to INT64, FP16, BF16, FP32, FP64, BYTES. A shape is a list of sizes, -1 where any will do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.source import Loc

_TYPES = frozenset({
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64", "BYTES",
})  # fmt: skip
_MEANT = {
    "float": "FP32", "float16": "FP16", "half": "FP16", "float32": "FP32", "float64": "FP64", "double": "FP64",
    "int": "INT64", "long": "INT64", "string": "BYTES", "str": "BYTES", "utf8": "BYTES", "bytes": "BYTES",
    "boolean": "BOOL", "bfloat16": "BF16",
}  # fmt: skip


def check(context: Context) -> Iterator[Finding]:
    """Judge the signatures of versions in use."""
    for folder, version in in_use(context):
        signature = version.value.signature
        if signature is None:
            continue
        inference = folder.model is not None and folder.model.value.protocol == "open-inference"
        for side, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs)):
            seen: set[str] = set()
            for index, tensor in enumerate(tensors):
                for loc, message, fix in _faults(tensor, seen, inference):
                    yield RULE.finding(version, ("signature", side, index, *loc), message, fix)


def _faults(tensor: Mapping[str, Any], seen: set[str], inference: bool) -> Iterator[tuple[Loc, str, str]]:
    name, kind, shape = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
    if not isinstance(name, str) or not name:
        yield ("name",), "it has no name to be sent under", "add 'name:'"
    elif name in seen:
        yield ("name",), f"'{name}' stands here a second time", "give each a name of its own"
    seen.add(str(name))
    if inference and kind is not None and kind not in _TYPES:
        meant = _MEANT.get(str(kind).lower(), str(kind).upper())
        fix = f"write {meant}" if meant in _TYPES else "write one of the protocol's, such as FP32, INT64 or BYTES"
        yield ("datatype",), f"the Open Inference Protocol has no datatype '{kind}'", fix
    if shape is not None:
        sizes = shape if isinstance(shape, list) else [None]
        if not all(isinstance(size, int) and not isinstance(size, bool) and size >= -1 for size in sizes):
            yield ("shape",), "a shape is a list of whole numbers, -1 where any size will do", "write it like [-1, 64]"


_PATH = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="signature-name",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "datatype: float32", "datatype: FP32", at="float32"),
        Example(_PATH, "shape: [batch, 64]", "shape: [-1, 64]", at="[batch"),
        Example(
            _PATH,
            "{name: label, datatype: INT64, shape: [-1]}, {name: label, datatype: FP32, shape: [-1]}",
            "{name: label, datatype: INT64, shape: [-1]}",
            at="label, datatype: FP32",
        ),
    ),
    good=(Example(_PATH, "datatype: FP64", "datatype: FP32"),),
)
