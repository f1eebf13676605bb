"""The recipe of each version: how it reads grey levels, what it learns with, and why it was made.

A version that is merged stays as it is; a better idea is a new recipe here. train.py trains all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import graph
import numpy as np
from scans import SEED, Scans
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

GREY_LEVELS = 17


@dataclass(frozen=True)
class Recipe:
    """`front` names the code that reads a scan (the version's preprocessing); `fit` learns and returns ONNX bytes."""

    version: str
    reason: str
    front: str
    hyperparameters: dict[str, Any]
    fit: Callable[[Scans, dict[str, Any]], bytes]


def _regression(training: Scans, chosen: dict[str, Any]) -> bytes:
    learner = LogisticRegression(C=chosen["C"], max_iter=chosen["max_iter"])
    learner.fit(_scaled(training.images), training.digits)
    front, constants = graph.normalised()
    return graph.build(front, constants, [(learner.coef_.T, learner.intercept_)], "one dense layer")


def _perceptron(training: Scans, chosen: dict[str, Any]) -> bytes:
    front, constants = graph.normalised()
    return graph.build(front, constants, _layers(_scaled(training.images), training.digits, chosen), "two dense layers")


def _tone_curve(training: Scans, chosen: dict[str, Any]) -> bytes:
    table = (np.arange(GREY_LEVELS) / (GREY_LEVELS - 1)) ** chosen["gamma"]
    layers = _layers(table[training.images.astype(int)], training.digits, chosen)
    front, constants = graph.looked_up(table)
    return graph.build(front, constants, layers, "a tone curve and two dense layers")


def _scaled(images: np.ndarray) -> np.ndarray:
    return images / np.maximum(images.max(axis=1, keepdims=True), 1.0)


def _layers(ink: np.ndarray, digits: np.ndarray, chosen: dict[str, Any]) -> list[graph.Layer]:
    learner = MLPClassifier(
        (chosen["hidden"],), alpha=chosen["alpha"], max_iter=chosen["max_iter"], random_state=SEED, solver="lbfgs"
    )
    learner.fit(ink, digits)
    return list(zip(learner.coefs_, learner.intercepts_, strict=True))


RECIPES = (
    Recipe(
        "1.0.0",
        "The first release: a multinomial logistic regression.",
        "graph.py:normalised",
        {"learner": "LogisticRegression", "C": 0.3, "max_iter": 2000},
        _regression,
    ),
    Recipe(
        "1.1.0",
        "The regularisation of 1.0.0 was too strong; ten times weaker reads more digits right.",
        "graph.py:normalised",
        {"learner": "LogisticRegression", "C": 3.0, "max_iter": 2000},
        _regression,
    ),
    Recipe(
        "2.0.0",
        "A hidden layer of 64 units: strokes that cross are told apart.",
        "graph.py:normalised",
        {"learner": "MLPClassifier", "hidden": 64, "alpha": 1.0, "max_iter": 5000},
        _perceptron,
    ),
    Recipe(
        "2.1.0",
        "A wider hidden layer, and a tone curve from a table in place of the normalisation: faint strokes count more.",
        "graph.py:looked_up",
        {"learner": "MLPClassifier", "hidden": 96, "alpha": 1.0, "max_iter": 5000, "gamma": 0.8},
        _tone_curve,
    ),
)
