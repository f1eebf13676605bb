"""Between the protocol's tensors and the engine's arrays: what a request may hold, checked before the engine sees it.

model.py calls it with what the ONNX file says of its inputs; whatever is refused here is the caller's mistake.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from kserve import InferInput, InferOutput
from kserve.utils.numpy_codec import from_np_dtype

from tidegate_serving.faults import BadRequest

_ONNX_TYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16", "tensor(uint32)": "UINT32", "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32", "tensor(int64)": "INT64",
    "tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}  # fmt: skip
_NUMPY_TYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """One input or output of the model: its name, the protocol's datatype, and its shape with -1 for any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, described: Any) -> Slot:
        """From onnxruntime's own description. Raises KeyError for a type that the protocol has no name for."""
        shape = tuple(length if isinstance(length, int) else -1 for length in described.shape)
        return cls(described.name, _ONNX_TYPES[described.type], shape)

    def to_doc(self) -> dict[str, Any]:
        """As the protocol's metadata says it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def array_of(given: InferInput, slot: Slot) -> np.ndarray:
    """The array of one input tensor. Raises BadRequest when datatype, shape, length or a value does not fit."""
    if given.datatype != slot.datatype:
        raise BadRequest(f"input '{slot.name}' has datatype {given.datatype}; this model takes {slot.datatype}")
    shape = list(given.shape)
    fits = len(shape) == len(slot.shape) and all(
        have >= 0 and want in (-1, have) for have, want in zip(shape, slot.shape, strict=True)
    )
    if not fits:
        raise BadRequest(f"input '{slot.name}' has shape {shape}; this model takes {list(slot.shape)} (-1: any length)")
    try:
        array: np.ndarray = given.as_numpy()
    except (ValueError, TypeError, OverflowError) as error:
        raise BadRequest(f"input '{slot.name}' is not {math.prod(shape)} values of {slot.datatype}: {error}") from error
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise BadRequest(f"input '{slot.name}' holds a value that is no number")
    return array


def parameter_of(value: Any, slot: Slot) -> np.ndarray:
    """A request parameter as the array of the optional input it names. Raises BadRequest when it is no such value."""
    kind = np.dtype(_NUMPY_TYPES[slot.datatype]).kind if slot.datatype in _NUMPY_TYPES else "O"
    takes: tuple[type, ...] = {"b": (bool,), "i": (int,), "u": (int,), "f": (int, float), "O": (str,)}[kind]
    if not isinstance(value, takes) or (isinstance(value, bool) and kind != "b"):
        raise BadRequest(f"parameter '{slot.name}' is {value!r}; this model takes a value of {slot.datatype}")
    try:
        return np.full([abs(length) for length in slot.shape], value, _NUMPY_TYPES.get(slot.datatype, np.object_))
    except OverflowError as error:
        raise BadRequest(f"parameter '{slot.name}' is {value!r}, beyond what {slot.datatype} holds") from error


def outputs_of(names: Sequence[str], arrays: Sequence[np.ndarray]) -> list[InferOutput]:
    """The answer's tensors."""
    found = []
    for name, array in zip(names, arrays, strict=True):
        output = InferOutput(name, list(array.shape), from_np_dtype(array.dtype))
        output.set_data_from_numpy(array, binary_data=False)
        found.append(output)
    return found
