"""A deployed version must have been evaluated on the set that the model's contract names.

Figures of another set cannot be compared: an older set may hold the training data, an easier one flatters. The controller
rejects such a candidate before any user meets it. To mend, evaluate the version on the contract's set, and declare the
figures in a new version; or name the new set in the contract, and evaluate what is deployed on it first.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.evidence import falling_short
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare the digests of the sets."""
    for version, found in falling_short(context, "set"):
        yield RULE.finding(version, found.loc, found.message, "evaluate it on the contract's set, in a new version")


_SET = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

RULE = Rule(
    id="evaluation-set",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example("models/digits/versions/2.0.0.yaml", _SET[::-1], _SET, at=f'"{_SET[::-1]}"'),),
    good=(Example("models/digits/deployment.yaml", 'version: "1.0.0"', 'version: "2.0.0"'),),
)
