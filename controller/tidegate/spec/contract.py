"""A version's figures against its model's contract: everything that falls short, and where in the file it stands. Pure.

One judgement for two callers: rules/checks/evidence/ tells it in a pull request, rollout/acceptance.py decides by it
before any user's traffic. Neighbours: model.py has the contract, version.py the figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tidegate.spec.model import Acceptance, EvaluationSet
from tidegate.spec.source import Loc
from tidegate.spec.version import Evaluation

ROUNDING: Final = 1e-9
"""What decimal figures such as 0.97 - 0.96 may be off by."""

LOWER_IS_BETTER: Final = frozenset({
    "error_rate", "log_loss", "mae", "mse", "rmse", "max_error", "median_absolute_error"
})  # fmt: skip

Kind = Literal["set", "examples", "limit", "lost", "gap", "unmeasured"]


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One thing that the contract asks for and the figures do not show. `loc`: of the figure, in the version's file."""

    kind: Kind
    loc: Loc
    message: str


def lower_is_better(metric: str) -> bool:
    """Whether less of a metric is better, by its name: errors, losses and latencies. Of all others more is better."""
    return metric in LOWER_IS_BETTER or metric.startswith("latency_")


def shortfalls(
    contract: Acceptance, evaluation: Evaluation, against: Evaluation | None = None, name: str = "", *, required: bool
) -> Iterator[Shortfall]:
    """All of them. Figures of another set, or of too few examples, say nothing, and are not judged any further.

    `against`: the figures of the version in production, called `name` (None: there is none). `required`: what the
    contract asks for must have been measured; otherwise what was not measured is passed over.
    """
    first = [*_set(contract.evaluation_set, evaluation)]
    yield from first
    if not first:
        yield from _limits(contract, evaluation, required)
        yield from _lost(contract, evaluation, against, name, required)
        yield from _gaps(contract, evaluation, required)


def _set(wanted: EvaluationSet | None, evaluation: Evaluation) -> Iterator[Shortfall]:
    if wanted is None:
        return
    if evaluation.set_sha256 != wanted.sha256:
        message = f"evaluated on set {evaluation.set_sha256[:12]}, the contract names {wanted.sha256[:12]}"
        yield Shortfall("set", ("evaluation", "set_sha256"), message)
    if evaluation.examples < wanted.min_examples:
        message = f"evaluated on {evaluation.examples} examples, the contract asks for {wanted.min_examples}"
        yield Shortfall("examples", ("evaluation", "examples"), message)


def _limits(contract: Acceptance, evaluation: Evaluation, required: bool) -> Iterator[Shortfall]:
    for metric, bound in contract.metrics.items():
        value = evaluation.metrics.get(metric)
        loc = ("evaluation", "metrics", metric)
        if value is None:
            if required:
                yield Shortfall("unmeasured", loc, f"{metric} was not measured")
        elif bound.min is not None and value < bound.min - ROUNDING:
            yield Shortfall("limit", loc, f"{metric} {value:g} is below {bound.min:g}")
        elif bound.max is not None and value > bound.max + ROUNDING:
            yield Shortfall("limit", loc, f"{metric} {value:g} is above {bound.max:g}")


def _lost(
    contract: Acceptance, evaluation: Evaluation, against: Evaluation | None, name: str, required: bool
) -> Iterator[Shortfall]:
    """Against the version in production, where that was measured on the same set: else there is nothing to compare."""
    if against is None or against.set_sha256 != evaluation.set_sha256:
        return
    for metric, regression in contract.regression.items():
        value, before = evaluation.metrics.get(metric), against.metrics.get(metric)
        loc = ("evaluation", "metrics", metric)
        if value is None and required and metric not in contract.metrics:
            yield Shortfall("unmeasured", loc, f"{metric} was not measured")
        if value is None or before is None:
            continue
        worse = value - before if lower_is_better(metric) else before - value
        if worse > regression.max_drop + ROUNDING:
            side = "above" if lower_is_better(metric) else "below"
            lost = f"{metric} {value:g} is {worse:.4g} {side} {name}'s {before:g}"
            yield Shortfall("lost", loc, f"{lost}, at most {regression.max_drop:g} may be lost")


def _gaps(contract: Acceptance, evaluation: Evaluation, required: bool) -> Iterator[Shortfall]:
    for rule in contract.fairness:
        groups: Mapping[str, Mapping[str, float]] = evaluation.slices.get(rule.across, {})
        values = {name: metrics[rule.metric] for name, metrics in groups.items() if rule.metric in metrics}
        if len(values) < 2:
            if required:
                message = f"{rule.metric} across {rule.across} was not measured"
                yield Shortfall("unmeasured", ("evaluation", "slices", rule.across), message)
            continue
        worst, best = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
        gap = values[best] - values[worst]
        if gap > rule.max_gap + ROUNDING:
            message = (
                f"{rule.metric} across {rule.across} differs by {gap:.4g} "
                f"({worst} {values[worst]:g}, {best} {values[best]:g}), at most {rule.max_gap:g} is allowed"
            )
            yield Shortfall("gap", ("evaluation", "slices", rule.across, worst, rule.metric), message)
