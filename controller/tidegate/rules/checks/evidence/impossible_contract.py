"""A contract must be one that a version can meet.

A limit with `min` above `max`, more `min_examples` than the set has, or a negative gap reject every version there will
ever be, and a drop that is negative asks each release to be better than the last. To mend, write limits that leave room.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.evidence import contract
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.model import Acceptance
from tidegate.spec.source import Loc


def check(context: Context) -> Iterator[Finding]:
    """Judge the contract of every model."""
    for folder in context.declared.models.values():
        for loc, message, fix in _faults(contract(folder)) if folder.model is not None else ():
            assert folder.model is not None
            yield RULE.finding(folder.model, ("acceptance", *loc), message, fix)


def _faults(asks: Acceptance) -> Iterator[tuple[Loc, str, str]]:
    wanted = asks.evaluation_set
    if wanted is not None and wanted.examples < 1:
        yield ("evaluation_set", "examples"), "a set without examples shows nothing", "write how many it holds"
    elif wanted is not None and wanted.min_examples > wanted.examples:
        message = f"{wanted.min_examples} examples are asked for, and the set holds {wanted.examples}"
        yield ("evaluation_set", "min_examples"), message, f"write {wanted.examples} at most"
    for metric, bound in asks.metrics.items():
        if bound.min is None and bound.max is None:
            yield ("metrics", metric), f"{metric} has no limit", "add 'min' or 'max'"
        elif bound.min is not None and bound.max is not None and bound.min > bound.max:
            message = f"no {metric} is {bound.min:g} at least and {bound.max:g} at most"
            yield ("metrics", metric), message, "change the two for each other"
    for metric, lost in asks.regression.items():
        if lost.max_drop < 0:
            message = f"a drop of {lost.max_drop:g} is a gain: every release would have to be better than the last"
            yield ("regression", metric, "max_drop"), message, f"write {-lost.max_drop:g}, or 0"
    for index, fair in enumerate(asks.fairness):
        if fair.max_gap < 0:
            yield ("fairness", index, "max_gap"), "no gap is below 0", f"write {-fair.max_gap:g}"


_PATH = "models/digits/model.yaml"

RULE = Rule(
    id="impossible-contract",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "accuracy: {min: 0.95, max: 0.9}", "accuracy: {min: 0.95}", at="{min: 0.95, max"),
        Example(_PATH, "min_examples: 3000", "min_examples: 300", at="3000"),
        Example(
            _PATH, "regression: {accuracy: {max_drop: -0.01}", "regression: {accuracy: {max_drop: 0.01}", at="-0.01"
        ),
    ),
    good=(Example(_PATH, "accuracy: {min: 0.95, max: 1.0}", "accuracy: {min: 0.95}"),),
)
