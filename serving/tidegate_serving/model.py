"""One ONNX file as a KServe model. Inputs with a default may also be set by the request's `parameters`.

server.py serves it; tensors.py checks what comes in. ONNX Runtime on one CPU, in the server's own loop: a second thread
would only wait for the first, and cost a tail of 50 ms (docs/design/serving.md).
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from kserve import InferRequest, InferResponse, Model

from tidegate_serving.faults import BadRequest, EngineError
from tidegate_serving.tensors import Slot, array_of, outputs_of, parameter_of

_PROTOCOL_PARAMETERS = frozenset({"binary_data_output"})  # KServe's own, of the protocol's binary extension


class OnnxModel(Model):  # type: ignore[misc]  # KServe's classes are not typed
    """The model `name`, loaded when it is made. Raises onnxruntime's own errors when the file is no ONNX model."""

    def __init__(self, artifact: Path, name: str, version: str | None) -> None:
        super().__init__(name)
        self._version = version
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # else it warns of each optional input
        self._session = onnxruntime.InferenceSession(str(artifact), options, providers=["CPUExecutionProvider"])
        self._inputs = {slot.name: slot for slot in map(Slot.of, self._session.get_inputs())}
        self._optional = {slot.name: slot for slot in map(Slot.of, self._session.get_overridable_initializers())}
        self._outputs = {slot.name: slot for slot in map(Slot.of, self._session.get_outputs())}
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        """For /v2/models/NAME."""
        return [slot.to_doc() for slot in (*self._inputs.values(), *self._optional.values())]

    def get_output_types(self) -> list[dict[str, Any]]:
        """For /v2/models/NAME."""
        return [slot.to_doc() for slot in self._outputs.values()]

    async def predict(
        self, payload: Any, headers: dict[str, str] | None = None, response_headers: dict[str, str] | None = None
    ) -> InferResponse:
        """The answer. Raises BadRequest (400) or EngineError (500)."""
        del response_headers
        if not isinstance(payload, InferRequest):
            raise BadRequest("only the Open Inference Protocol is answered: POST /v2/models/NAME/infer")
        feed = self._feed(payload)
        names = self._names(payload)
        arrays = self._run(names, feed)
        # KServe's answer must have an id although the protocol lets the caller leave it out.
        answer_id = payload.id or (headers or {}).get("x-request-id") or uuid.uuid4().hex
        return InferResponse(answer_id, self.name, outputs_of(names, arrays), model_version=self._version)

    def _feed(self, request: InferRequest) -> dict[str, np.ndarray]:
        feed: dict[str, np.ndarray] = {}
        for given in request.inputs:
            slot = self._inputs.get(given.name) or self._optional.get(given.name)
            if slot is None or given.name in feed:
                words = "stands twice in the request" if slot else f"is unknown; this model takes {self._known()}"
                raise BadRequest(f"input '{given.name}' {words}")
            feed[given.name] = array_of(given, slot)
        missing = [name for name in self._inputs if name not in feed]
        if missing:
            raise BadRequest(f"input '{missing[0]}' is missing")
        for name, value in (request.parameters or {}).items():
            if name in self._optional:
                feed[name] = parameter_of(value, self._optional[name])
            elif name not in _PROTOCOL_PARAMETERS:
                raise BadRequest(
                    f"parameter '{name}' is unknown; this model takes {', '.join(self._optional) or 'none'}"
                )
        return feed

    def _known(self) -> str:
        return ", ".join((*self._inputs, *self._optional))

    def _names(self, request: InferRequest) -> list[str]:
        wanted = [output.name for output in request.request_outputs or ()]
        unknown = [name for name in wanted if name not in self._outputs]
        if unknown:
            raise BadRequest(f"output '{unknown[0]}' is unknown; this model gives {', '.join(self._outputs)}")
        return wanted or list(self._outputs)

    def _run(self, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        try:
            arrays: list[np.ndarray] = self._session.run(names, feed)
        except Exception as error:  # the engine has no base class of its own; the cause is kept and told
            raise EngineError(str(error)) from error
        for name, array in zip(names, arrays, strict=True):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise EngineError(f"output '{name}' holds a value that is no number")
        return arrays
