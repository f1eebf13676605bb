"""The scans: which ones a version learns from, which ones it is judged on, and what each scanner makes of a page.

train.py asks for them; graph.py and measure.py see only arrays of 64 grey levels a scan, row by row.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HELD_OUT = 597
SEED = 7
NEW_SCANNER_EVERY = 4  # one scan of the live traffic in so many comes from a new scanner
TRAFFIC = 400


@dataclass(frozen=True)
class Scans:
    """`images`: (n, 64) grey levels, `digits`: (n,) what they show."""

    images: np.ndarray
    digits: np.ndarray


def load() -> tuple[Scans, Scans]:
    """The scans to train on (1,200) and those held out (597), every digit in the same share in both."""
    images, digits = load_digits(return_X_y=True)
    train, held_out = train_test_split(np.arange(len(digits)), test_size=HELD_OUT, random_state=SEED, stratify=digits)
    return Scans(images[train], digits[train]), Scans(images[held_out], digits[held_out])


def source() -> dict[str, Any]:
    """Where the scans come from, as a ModelVersion's `training.data` says it."""
    path = Path(sklearn.__file__).parent / "datasets/data/digits.csv.gz"
    return {
        "uri": f"pkg:pypi/scikit-learn@{sklearn.__version__}#sklearn/datasets/data/digits.csv.gz",
        "digest": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
        "snapshot": f"1200 of 1797 scans, stratified by digit, seed {SEED}",
    }


def new_scanner(images: np.ndarray) -> np.ndarray:
    """The same pages from a new scanner: 8 bits a point (0 to 255) where the old ones count ink from 0 to 16."""
    return np.round(images * 255 / 16)


def stroke_weights(images: np.ndarray, training: np.ndarray) -> list[str]:
    """`light`, `medium` or `heavy`: a scan's mean ink against the terciles of the training scans."""

    def ink(scans: np.ndarray) -> np.ndarray:
        return (scans / scans.max(axis=1, keepdims=True)).mean(axis=1)

    edges = np.quantile(ink(training), (1 / 3, 2 / 3))
    return [("light", "medium", "heavy")[rank] for rank in np.searchsorted(edges, ink(images))]


def body(image: np.ndarray) -> dict[str, Any]:
    """The Open Inference Protocol request that asks about one scan."""
    data = [int(level) for level in image]
    return {"inputs": [{"name": "image", "shape": [1, 64], "datatype": "FP32", "data": data}]}


def evaluation_lines(training: Scans, held_out: Scans) -> bytes:
    """The evaluation set: one JSON line a held-out scan with the request, the expected answer and its slices."""
    weights = stroke_weights(held_out.images, training.images)
    rows = (
        {"input": body(image), "expected": {"digit": int(digit)}, "slices": {"stroke_weight": weight}}
        for image, digit, weight in zip(held_out.images, held_out.digits, weights, strict=True)
    )
    return _lines(rows)


def traffic_lines(held_out: Scans) -> bytes:
    """Live traffic: held-out scans in random order, one in four as a new scanner gives it."""
    chance = np.random.RandomState(SEED)
    order = chance.permutation(len(held_out.digits))[:TRAFFIC]
    new = chance.permutation(TRAFFIC) < TRAFFIC // NEW_SCANNER_EVERY
    rows = (
        {
            "input": body(new_scanner(held_out.images[place]) if is_new else held_out.images[place]),
            "expected": {"digit": int(held_out.digits[place])},
            "scanner": "new" if is_new else "old",
        }
        for place, is_new in zip(order, new, strict=True)
    )
    return _lines(rows)


def _lines(rows: Any) -> bytes:
    return b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)
