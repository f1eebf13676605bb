"""A deployed version's figures must lie within the limits of the model's contract.

`acceptance: {metrics: {accuracy: {min: 0.95}}}` is what a version must reach before it may serve. The controller rejects
a candidate that does not; here the same is told before the merge. To mend, deploy a version that meets the contract, or
change the contract in a commit of its own, where somebody has to approve the lower bar.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.evidence import falling_short
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare the figures with the contract's limits."""
    for version, found in falling_short(context, "limit"):
        message = f"{found.message}, the limit of the model's contract"
        yield RULE.finding(version, found.loc, message, "deploy a version that meets the contract")


RULE = Rule(
    id="missed-limit",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/versions/2.0.0.yaml", "accuracy: 0.942,", "accuracy: 0.972,", at="0.942"),
        Example("models/digits/versions/2.0.0.yaml", "latency_p95_ms: 70.5", "latency_p95_ms: 4.1", at="70.5"),
    ),
    good=(Example("models/digits/versions/2.0.0.yaml", "accuracy: 0.96,", "accuracy: 0.972,"),),
)
