"""A deployed version must treat the groups of its users alike, as far as the contract asks.

`acceptance: {fairness: [{metric: accuracy, across: writer_group, max_gap: 0.05}]}`: a good average can hide a group that
the model fails. The controller rejects a candidate with a wider gap. To mend, deploy a version with a narrower one.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.evidence import falling_short
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare the best slice with the worst."""
    for version, found in falling_short(context, "gap"):
        yield RULE.finding(version, found.loc, found.message, "deploy a version with a narrower gap")


RULE = Rule(
    id="slice-gap",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example("models/digits/versions/2.0.0.yaml", "b: {accuracy: 0.91}", "b: {accuracy: 0.96}", at="0.91}"),),
    good=(Example("models/digits/versions/2.0.0.yaml", "b: {accuracy: 0.93}", "b: {accuracy: 0.96}"),),
)
