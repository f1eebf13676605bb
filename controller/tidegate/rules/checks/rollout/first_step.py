"""The first share of everybody's traffic should be small: 20 % at most.

Whatever is wrong with a release hurts all that it serves until it is seen. A first step on a segment hurts only those
who are in it; the first step with a `weight` is the one that counts here. To mend, put a smaller step before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_share

LARGEST = 0.2


def check(context: Context) -> Iterator[Finding]:
    """Look at the first weight of each list of steps."""
    for policy, field, steps in ways(context):
        first = next(((i, s.name, s.weight) for i, s in enumerate(steps) if s.weight), None)
        if first is None or first[2] <= LARGEST:
            continue
        index, name, weight = first
        yield RULE.finding(
            policy,
            (field, index, "weight"),
            f"the first share of everybody's traffic is {format_share(weight)}: that many meet a bad release first",
            f"put a step of {format_share(LARGEST)} or less before '{name}'",
        )


_CANARY = "  - {name: canary, weight: 5%, for: 30m, min_requests: 500}\n"

RULE = Rule(
    id="first-step",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            _CANARY.replace("5%", "40%"),
            _CANARY,
            at="40%",
            mended=_CANARY.replace("canary, weight: 5%", "few, weight: 1%") + _CANARY.replace("5%", "40%"),
        ),
        Example(
            "policies/progressive.yaml",
            "config_steps: [{name: all, weight: 100%, for: 5m}]\nconfidence: 0.99",
            "confidence: 0.99",
            at="100%",
        ),
    ),
    good=(Example("policies/progressive.yaml", "weight: 20%", "weight: 5%"),),
)
