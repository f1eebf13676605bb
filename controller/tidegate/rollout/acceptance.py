"""Offline evidence against the model's contract: does a version's evaluation meet it, before any user's traffic? Pure.

Neighbours: the engine hands the answer to the machine as the candidate's validation; spec/model.py has the contract.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tidegate.spec.model import Acceptance, EvaluationSet, Model
from tidegate.spec.version import Evaluation, ModelVersion

ROUNDING: Final = 1e-9
"""What decimal figures such as 0.97 - 0.96 may be off by."""


def judge(model: Model, version: ModelVersion, stable: ModelVersion | None, *, required: bool) -> str:
    """'' when the version's figures meet the model's contract, else every reason why not, in one line.

    `stable` is the version now in production (None: none). `required`: what the contract asks for must have been
    measured; otherwise what was not measured is passed over, and only figures that break the contract count.
    """
    evaluation = version.evaluation
    if evaluation is None:
        return f"{model.name} {version.version} has no evaluation, and the policy requires one" if required else ""
    against = stable.evaluation if stable is not None else None
    reasons = [*_set(model.acceptance.evaluation_set, evaluation)]
    if not reasons:
        reasons += _limits(model.acceptance, evaluation, required)
        reasons += _regression(model.acceptance, evaluation, against, stable.version if stable else "", required)
        reasons += _fairness(model.acceptance, evaluation, required)
    return "; ".join(reasons)


def _set(wanted: EvaluationSet | None, evaluation: Evaluation) -> Iterator[str]:
    """Figures of another set, or of too few examples, say nothing about the contract."""
    if wanted is None:
        return
    if evaluation.set_sha256 != wanted.sha256:
        yield f"evaluated on set {evaluation.set_sha256[:12]}, the contract names {wanted.sha256[:12]}"
    if evaluation.examples < wanted.min_examples:
        yield f"evaluated on {evaluation.examples} examples, the contract asks for {wanted.min_examples}"


def _limits(contract: Acceptance, evaluation: Evaluation, required: bool) -> Iterator[str]:
    for metric, bound in contract.metrics.items():
        value = evaluation.metrics.get(metric)
        if value is None:
            if required:
                yield f"{metric} was not measured"
        elif bound.min is not None and value < bound.min - ROUNDING:
            yield f"{metric} {value:g} is below {bound.min:g}"
        elif bound.max is not None and value > bound.max + ROUNDING:
            yield f"{metric} {value:g} is above {bound.max:g}"


def _regression(
    contract: Acceptance, evaluation: Evaluation, against: Evaluation | None, name: str, required: bool
) -> Iterator[str]:
    """Against the version in production, where that was measured on the same set: else there is nothing to compare."""
    if against is None or against.set_sha256 != evaluation.set_sha256:
        return
    for metric, regression in contract.regression.items():
        value, before = evaluation.metrics.get(metric), against.metrics.get(metric)
        if value is None and required and metric not in contract.metrics:
            yield f"{metric} was not measured"
        if value is None or before is None:
            continue
        if before - value > regression.max_drop + ROUNDING:
            lost = f"{metric} {value:g} is {before - value:.4g} below {name}'s {before:g}"
            yield f"{lost}, at most {regression.max_drop:g} may be lost"


def _fairness(contract: Acceptance, evaluation: Evaluation, required: bool) -> Iterator[str]:
    for rule in contract.fairness:
        groups: Mapping[str, Mapping[str, float]] = evaluation.slices.get(rule.across, {})
        values = {name: metrics[rule.metric] for name, metrics in groups.items() if rule.metric in metrics}
        if len(values) < 2:
            if required:
                yield f"{rule.metric} across {rule.across} was not measured"
            continue
        worst, best = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
        gap = values[best] - values[worst]
        if gap > rule.max_gap + ROUNDING:
            yield (
                f"{rule.metric} across {rule.across} differs by {gap:.4g} "
                f"({worst} {values[worst]:g}, {best} {values[best]:g}), at most {rule.max_gap:g} is allowed"
            )
