"""`config_steps` should not be empty: a changed prompt is a changed behaviour.

With `config_steps: []` a change of the inference config goes to everybody at once, without a guardrail having seen
anything. To mend, give it short steps of its own, or take the field out: then `steps` are walked.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for an empty list."""
    for policy in context.policies():
        if policy.value.config_steps == ():
            yield RULE.finding(
                policy,
                ("config_steps",),
                "a change of the inference config goes to everybody at once, and nothing is judged",
                "take it out, or write '[{name: canary, weight: 10%, for: 10m}, {name: full, weight: 100%, for: 10m}]'",
            )


_SHORT = "config_steps: [{name: few, weight: 10%, for: 10m}, {name: all, weight: 100%, for: 10m}]\nconfidence: 0.99"

RULE = Rule(
    id="empty-config-steps",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            "config_steps: []\nconfidence: 0.99",
            "confidence: 0.99",
            at="[]",
            mended=_SHORT,
        ),
    ),
    good=(Example("policies/progressive.yaml", _SHORT, "confidence: 0.99"),),
)
