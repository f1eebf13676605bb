"""A `margin` must be one that a release as good as the stable one can exclude.

Promotion asks for proof that the release is not worse by the margin. `max_ratio: 1.5, margin: 1.0` asks it to be
proven better than stable, and a `margin` of 0 errors can be proven by no number of requests: such a rollout holds at
its end for ever. To mend, put the margin beyond the limit: with `max_ratio: 1.5` for example `margin: 3.0`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.metric import Kind, kind_of
from tidegate.spec.policy import Guardrail


def check(context: Context) -> Iterator[Finding]:
    """Compare each margin with what an equally good release shows."""
    for policy in context.policies():
        for index, guardrail in enumerate(policy.value.guardrails):
            why = _impossible(guardrail)
            if why:
                yield RULE.finding(
                    policy,
                    ("guardrails", index, "margin"),
                    f"margin {guardrail.margin:g} with {guardrail.limit_name}: {guardrail.limit:g} can never be "
                    f"excluded: {why}",
                    "put the margin beyond the limit",
                )


def _impossible(guardrail: Guardrail) -> str:
    margin, name = guardrail.margin, guardrail.limit_name
    if margin is None:
        return ""
    better = "only a release that is better than stable could"
    if (name == "max_ratio" and margin <= 1) or (name == "min_ratio" and margin >= 1):
        return better
    if name in ("max_increase", "max_drop") and margin <= 0:
        return better
    if name == "max" and margin <= 0:
        return "nothing is proven to be at most 0"
    if name == "max" and kind_of(guardrail)[0] in (Kind.ERRORS, Kind.INVALID) and margin >= 1:
        return "a rate lies between 0 and 1"
    return ""


_RATIO = "max_ratio: 2.0, margin: 4.0"

RULE = Rule(
    id="impossible-margin",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "max_ratio: 2.0, margin: 1.0", _RATIO, at="1.0"),
        Example("policies/progressive.yaml", "max_increase: 50%, margin: 0%", _RATIO, at="0%"),
        Example("policies/progressive.yaml", "max: 0.02, margin: 0", _RATIO, at="0", mended="max: 0.02, margin: 0.05"),
    ),
    good=(Example("policies/progressive.yaml", "max_ratio: 2.0, margin: 1.5", _RATIO),),
)
