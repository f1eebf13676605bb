"""Weights come in a format that is read, and not in one that is run.

A pickle is a program: whoever can write the file decides what the server does when it loads, and the digest only says
that it is the same program. `.pkl`, `.joblib`, `.pt`, `.pth`, `.bin` and `.ckpt` are pickles, most of the time. To mend,
export the model as safetensors, ONNX, GGUF, skops or XGBoost's JSON, in a new version.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.weights import weights

_FORMATS = frozenset({
    "pickle", "pkl", "cloudpickle", "dill", "joblib", "torch", "pytorch", "pt", "pth", "ckpt", "torchscript-pickle",
})  # fmt: skip
_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt", ".bin"})
_READ = frozenset(
    {"safetensors", "onnx", "gguf", "ggml", "tflite", "skops", "json", "ubj", "openvino", "xgboost", "catboost"}
)
"""Formats that make a suffix such as .bin harmless."""


def check(context: Context) -> Iterator[Finding]:
    """Judge the artifacts and adapters of versions in use, by their format, else by the end of their uri."""
    for one in weights(context, sets=False):
        given = (one.format or "").lower().strip()
        suffix = PurePosixPath(_path(one.uri)).suffix.lower()
        if given in _FORMATS:
            loc, what = "format", f"'{one.format}' is a pickle"
        elif suffix in _SUFFIXES and given not in _READ:
            loc, what = "uri", f"a {suffix} file is a pickle, most of the time"
        else:
            continue
        message = f"{what}: loading it runs whatever was put into it"
        yield RULE.finding(one.file, (*one.loc, loc), message, "export it as safetensors or ONNX, in a new version")


def _path(uri: str) -> str:
    try:
        return urlsplit(uri).path
    except ValueError:
        return ""


_PATH = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="pickled-weights",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "format: joblib", "format: onnx", at="joblib"),
        Example(
            _PATH,
            "adapters: [{name: eu, uri: 's3://models/eu.pt', sha256: '" + "ab12" * 16 + "'}]\nruntime:",
            "runtime:",
            at="'s3://models/eu.pt",
        ),
    ),
    good=(Example(_PATH, "format: safetensors", "format: onnx"),),
)
