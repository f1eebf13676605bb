"""`confidence` should lie between 0.9 and 0.9999.

It holds for the whole rollout, however often it is looked at: 0.99 means that one harmless release in a hundred is
taken back. Below 0.9 that is more than one in ten, and people stop believing in rollbacks; above 0.9999 the proof
takes twice the requests that 0.99 does, and so long bad releases go on serving. To mend, write 0.95 to 0.999.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule

LEAST, MOST = 0.9, 0.9999


def check(context: Context) -> Iterator[Finding]:
    """Compare with the bounds."""
    for policy in context.policies():
        confidence = policy.value.confidence
        if confidence < LEAST:
            message = f"one harmless release in {1 / (1 - confidence):.3g} would be taken back"
        elif confidence > MOST:
            message = f"with a confidence of {confidence:.10g} a bad release serves long before it is proven"
        else:
            continue
        yield RULE.finding(policy, ("confidence",), message, "write a value like 0.99")


RULE = Rule(
    id="odd-confidence",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "confidence: 0.8", "confidence: 0.99", at="0.8"),
        Example("policies/progressive.yaml", "confidence: 0.999999", "confidence: 0.99", at="0.999999"),
    ),
    good=(Example("policies/progressive.yaml", "confidence: 0.95", "confidence: 0.99"),),
)
