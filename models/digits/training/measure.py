"""The offline evaluation: every figure of a version file, computed from the ONNX file by the engine that will serve it.

train.py calls it with the lines of the evaluation set; the tests ask the same questions of the real server.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import Any

import numpy as np
import onnxruntime

PASSES = 5


def evaluate(model: bytes, lines: bytes) -> tuple[dict[str, float], dict[str, Any]]:
    """`metrics` and `slices` of a ModelVersion: accuracy as a share, latency_p95_ms of one scan inside the engine."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # the optional inputs are meant to be overridable; the engine warns about each
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    examples = [json.loads(line) for line in lines.splitlines()]
    right: list[bool] = []
    seconds: list[float] = []
    groups: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for attempt in range(PASSES):
        for example in examples:
            image = np.array(example["input"]["inputs"][0]["data"], np.float32).reshape(1, 64)
            start = time.perf_counter()
            digit, _ = session.run(None, {"image": image})
            seconds.append(time.perf_counter() - start)
            if attempt == 0:
                right.append(bool(digit[0, 0] == example["expected"]["digit"]))
                for group, member in example["slices"].items():
                    groups[group][member].append(right[-1])
    metrics = {"accuracy": share(right), "latency_p95_ms": round(float(np.quantile(seconds, 0.95)) * 1000, 4)}
    slices = {
        group: {member: {"accuracy": share(found), "examples": len(found)} for member, found in sorted(members.items())}
        for group, members in groups.items()
    }
    return metrics, slices


def share(found: list[bool]) -> float:
    """The share of True, to four places."""
    return round(sum(found) / len(found), 4)
