"""The ONNX graphs: a front that brings grey levels to 0..1, layers, and a tail that answers with the likeliest digits.

recipes.py chooses front and layers. Two optional inputs have defaults, so an inference config may set them and a plain
client need not: `temperature` (above 1 evens the probabilities out) and `top_k` (how many digits an answer names).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
Layer = tuple[np.ndarray, np.ndarray]  # weights (inputs, outputs), bias (outputs)


def build(
    front: Sequence[onnx.NodeProto], constants: dict[str, np.ndarray], layers: Sequence[Layer], doc: str
) -> bytes:
    """The serialised model: `front` reads `image` (n, 64) and writes `ink` (n, 64); dense layers with ReLU between.

    Outputs `digit` (n, top_k), likeliest first, and `probability` (n, top_k).
    """
    nodes, constants = list(front), dict(constants)
    signal = "ink"
    for number, (weights, bias) in enumerate(layers):
        constants[f"weights_{number}"] = weights.astype(np.float32)
        constants[f"bias_{number}"] = bias.astype(np.float32)
        nodes.append(helper.make_node("Gemm", [signal, f"weights_{number}", f"bias_{number}"], [f"sum_{number}"]))
        signal = f"sum_{number}"
        if number < len(layers) - 1:
            nodes.append(helper.make_node("Relu", [signal], [f"hidden_{number}"]))
            signal = f"hidden_{number}"
    nodes += [
        helper.make_node("Div", [signal, "temperature"], ["tempered"]),
        helper.make_node("Softmax", ["tempered"], ["shares"], axis=1),
        helper.make_node("TopK", ["shares", "top_k"], ["probability", "digit"], axis=1),
    ]
    defaults = {"temperature": np.array([1.0], np.float32), "top_k": np.array([1], np.int64)}
    graph = helper.make_graph(
        nodes,
        "digits",
        inputs=[
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 64]),
            helper.make_tensor_value_info("temperature", TensorProto.FLOAT, [1]),
            helper.make_tensor_value_info("top_k", TensorProto.INT64, [1]),
        ],
        outputs=[
            helper.make_tensor_value_info("digit", TensorProto.INT64, ["n", "k"]),
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", "k"]),
        ],
        initializer=[numpy_helper.from_array(value, name) for name, value in {**constants, **defaults}.items()],
        doc_string=doc,
    )
    model = helper.make_model(
        graph, producer_name="tidegate-digits", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def normalised() -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """A front that divides each scan by its own darkest point: any scale of grey will do."""
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["darkest"], axes=[1], keepdims=1),
        helper.make_node("Max", ["darkest", "least"], ["scale"]),
        helper.make_node("Div", ["image", "scale"], ["ink"]),
    ]
    return nodes, {"least": np.array([1.0], np.float32)}  # a blank page has no darkest point to divide by


def looked_up(table: np.ndarray) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """A front that reads each grey level's ink from a table: one entry a level, and no level beyond the table's end."""
    nodes = [
        helper.make_node("Cast", ["image"], ["level"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "level"], ["ink"], axis=0),
    ]
    return nodes, {"table": table.astype(np.float32)}


SIGNATURE = {
    "inputs": [
        {"name": "image", "datatype": "FP32", "shape": [-1, 64]},
        {"name": "temperature", "datatype": "FP32", "shape": [1], "optional": True},
        {"name": "top_k", "datatype": "INT64", "shape": [1], "optional": True},
    ],
    "outputs": [
        {"name": "digit", "datatype": "INT64", "shape": [-1, -1]},
        {"name": "probability", "datatype": "FP32", "shape": [-1, -1]},
    ],
}
