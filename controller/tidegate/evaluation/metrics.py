"""Metrics of answered examples by scikit-learn's definitions; of all examples and of each slice.

scikit-learn is imported on use: only the child process that measures pays for it. Neighbours: measure.py asks,
protocol.py has the outputs. Reasons: docs/design/validation.md.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tidegate.evaluation.protocol import WHOLE

NO_ANSWER: Final = "(no answer)"
"""What a failed example counts as in the metrics of classes: no class, hence wrong."""
_LATENCY = re.compile(r"latency_p(\d{2,4})_ms")
_AVERAGED = re.compile(r"(f1|precision|recall)(?:_(macro|micro|weighted))?")
CLASSES: Final = ("accuracy", "balanced_accuracy", "cohen_kappa", "matthews_corrcoef")
NUMBERS: Final = ("mae", "mse", "rmse", "r2", "max_error", "median_absolute_error")
SCORED: Final = ("log_loss", "roc_auc")
LATENCIES: Final = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms")


@dataclass(frozen=True, slots=True)
class Answered:
    """One example and what came of it. `outputs` None: it failed. `seconds` None: it got no answer at all."""

    expected: Any
    slices: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Any] | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How answers are read: see EvaluationSet."""

    output: str | None = None
    scores: str | None = None
    labels: tuple[Any, ...] = ()


class Unmeasured(Exception):  # noqa: N818 the name says what it is
    """A metric that these examples do not tell; the text says why."""


class Missing(Unmeasured):
    """An answer lacks what was expected of it: that is the answer's fault, not the example's."""


def known(name: str) -> bool:
    """Whether this is a metric that can be measured here."""
    return bool(
        name in (*CLASSES, *NUMBERS, *SCORED, "error_rate") or _AVERAGED.fullmatch(name) or _LATENCY.fullmatch(name)
    )


def measure(
    answered: Sequence[Answered], names: Sequence[str], reading: Reading
) -> tuple[dict[str, float], dict[str, dict[str, dict[str, float]]], dict[str, str]]:
    """Metrics, the same of each slice, and by name why one that was asked for could not be measured.

    Always among them: error_rate (a share), latencies (ms), and accuracy or mae, whichever fits what was expected.
    """
    wanted = list(dict.fromkeys(("error_rate", *LATENCIES, *_default(answered, reading), *names)))
    metrics, unknown = _figures(answered, wanted, reading)
    groups: dict[str, dict[str, list[Answered]]] = defaultdict(lambda: defaultdict(list))
    for one in answered:
        for group, member in one.slices.items():
            groups[group][member].append(one)
    slices = {
        group: {
            member: {**_figures(mine, wanted, reading)[0], "examples": float(len(mine))}
            for member, mine in sorted(members.items())
        }
        for group, members in sorted(groups.items())
    }
    return metrics, slices, {name: why for name, why in unknown.items() if name in names and known(name)}


def _figures(
    answered: Sequence[Answered], names: Sequence[str], reading: Reading
) -> tuple[dict[str, float], dict[str, str]]:
    found, unknown = dict[str, float](), dict[str, str]()
    for name in names:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a class that was never answered is no news: its figure is 0
                value = _figure(answered, name, reading)
        except (Unmeasured, ValueError, TypeError) as error:  # scikit-learn says so when labels or shapes do not fit
            unknown[name] = str(error)
            continue
        if math.isfinite(value):
            found[name] = round(value, 6)
        else:
            unknown[name] = f"it is {value} on these examples"
    return found, unknown


def _figure(answered: Sequence[Answered], name: str, reading: Reading) -> float:
    if name == "error_rate":
        return sum(one.outputs is None for one in answered) / len(answered)
    if match := _LATENCY.fullmatch(name):
        return _latency(answered, int(match[1]) / 10 ** len(match[1]))
    if name in SCORED:
        return _scored(answered, name, reading)
    if name in NUMBERS:
        truth, said = pairs(answered, reading, failed=False)
        return _numbers(name)(_floats(truth), _floats(said))
    truth, said = pairs(answered, reading, failed=True)
    if name == "accuracy":  # the one that nearly everybody asks for needs no scikit-learn, which takes a second to load
        return sum(_label(a) == _label(b) for a, b in zip(truth, said, strict=True)) / len(truth)
    return _classes(name)([_label(one) for one in truth], [_label(one) for one in said])


def _latency(answered: Sequence[Answered], quantile: float) -> float:
    import numpy as np

    seconds = [one.seconds for one in answered if one.seconds is not None]
    if not seconds:
        raise Unmeasured("nothing was answered")
    return float(np.quantile(seconds, quantile)) * 1000


def pairs(answered: Sequence[Answered], reading: Reading, *, failed: bool) -> tuple[list[Any], list[Any]]:
    """What was expected and what was answered, value by value. `failed`: a failed example counts, as no answer."""
    truth, said = list[Any](), list[Any]()
    for one in answered:
        expected = _expected(one, reading)
        values = expected if isinstance(expected, list) else [expected]
        if one.outputs is None:
            truth += values if failed else []
            said += [NO_ANSWER] * len(values) if failed else []
            continue
        given = _output(one.outputs, _name(one, reading))
        flat = given if isinstance(given, list) else [given]
        truth += values
        said += flat[:1] if not isinstance(expected, list) else flat[: len(values)]
        if len(said) != len(truth):
            raise Missing(f"it has {len(flat)} values, {len(values)} were expected")
    if not truth:
        raise Unmeasured("nothing was answered")
    return truth, said


def _expected(one: Answered, reading: Reading) -> Any:
    if one.expected is None:
        raise Unmeasured("an example has no 'expected'")
    if not isinstance(one.expected, dict):
        return one.expected
    name = _name(one, reading)
    if name not in one.expected:
        raise Unmeasured(f"an example expects nothing of output '{name}'")
    return one.expected[name]


def _name(one: Answered, reading: Reading) -> str:
    """Which output is judged: the one that the contract names, else the first that the example expects."""
    if reading.output is not None:
        return reading.output
    return str(next(iter(one.expected), WHOLE)) if isinstance(one.expected, dict) else WHOLE


def _output(outputs: Mapping[str, Any], name: str) -> Any:
    if name in outputs:
        return outputs[name]
    if name == WHOLE and outputs:
        return next(iter(outputs.values()))
    value: Any = outputs
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise Missing(f"output '{name}' is missing")
        value = value[part]
    return value


def _default(answered: Sequence[Answered], reading: Reading) -> tuple[str, ...]:
    """The metric that everybody looks at first: by what the first example expects."""
    try:
        first = _expected(answered[0], reading)
    except Unmeasured:
        return ()
    value = first[0] if isinstance(first, list) and first else first
    return ("mae",) if isinstance(value, float) else ("accuracy",)


def _label(value: Any) -> str:
    """A class by one spelling: 3 and 3.0 are the same class, and so is the text of an answer and what was expected."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _floats(values: Sequence[Any]) -> list[float]:
    if any(isinstance(value, str | bool) or value is None for value in values):
        raise Unmeasured("the answers, or what was expected, are no numbers")
    return [float(value) for value in values]


def _numbers(name: str) -> Callable[[list[float], list[float]], float]:
    from sklearn import metrics

    functions: dict[str, Callable[[list[float], list[float]], float]] = {
        "mae": metrics.mean_absolute_error,
        "mse": metrics.mean_squared_error,
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
        "max_error": metrics.max_error,
        "median_absolute_error": metrics.median_absolute_error,
    }
    return lambda truth, said: float(functions[name](truth, said))


def _classes(name: str) -> Callable[[list[str], list[str]], float]:
    from sklearn import metrics

    plain: dict[str, Callable[[list[str], list[str]], float]] = {
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "cohen_kappa": metrics.cohen_kappa_score,
        "matthews_corrcoef": metrics.matthews_corrcoef,
    }
    if name in plain:
        return lambda truth, said: float(plain[name](truth, said))
    match = _AVERAGED.fullmatch(name)
    if match is None:
        raise Unmeasured("this is no metric that Tidegate measures")
    function = {"f1": metrics.f1_score, "precision": metrics.precision_score, "recall": metrics.recall_score}[match[1]]
    average = match[2] or "macro"

    def averaged(truth: list[str], said: list[str]) -> float:
        return float(function(truth, said, average=average, labels=sorted(set(truth)), zero_division=0))

    return averaged


def _scored(answered: Sequence[Answered], name: str, reading: Reading) -> float:
    from sklearn import metrics

    if reading.scores is None:
        raise Unmeasured("the evaluation set names no 'scores' output")
    truth, scores = list[str](), list[Any]()
    for one in answered:
        if one.outputs is not None:
            truth.append(_label(_expected(one, reading)))
            given = _output(one.outputs, reading.scores)
            scores.append(_floats(given if isinstance(given, list) else [given]))
    if not truth:
        raise Unmeasured("nothing was answered")
    labels = [_label(one) for one in reading.labels] or _sorted(set(truth))
    widths = {len(one) for one in scores}
    if len(labels) == 2 and widths <= {1, 2}:
        positive = [one[-1] for one in scores]
        if name == "roc_auc":
            return float(metrics.roc_auc_score([one == labels[1] for one in truth], positive))
        scores = [[1 - one, one] for one in positive]
    elif widths != {len(labels)}:
        raise Unmeasured(f"'{reading.scores}' has {sorted(widths)} values a row, there are {len(labels)} labels")
    order = sorted(range(len(labels)), key=labels.__getitem__)  # scikit-learn takes columns in the labels' own order
    rows, ordered = [[row[i] for i in order] for row in scores], [labels[i] for i in order]
    if name == "log_loss":
        return float(metrics.log_loss(truth, rows, labels=ordered))
    return float(metrics.roc_auc_score(truth, rows, labels=ordered, multi_class="ovr"))


def _sorted(labels: set[str]) -> list[str]:
    """Classes in their natural order: numbers by their value."""
    return sorted(labels, key=int) if all(label.isdecimal() for label in labels) else sorted(labels)
