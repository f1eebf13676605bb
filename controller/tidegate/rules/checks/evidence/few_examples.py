"""A deployed version must have been evaluated on as many examples as the contract asks for.

An accuracy over 20 examples is a rumour. `min_examples` in the contract says how many it takes, and the controller
rejects a candidate with fewer. To mend, evaluate the version on the whole set, and declare the figures in a new version.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.evidence import falling_short
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare `evaluation.examples` with `min_examples`."""
    for version, found in falling_short(context, "examples"):
        yield RULE.finding(version, found.loc, found.message, "evaluate it on the whole set, in a new version")


RULE = Rule(
    id="few-examples",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example("models/digits/versions/2.0.0.yaml", "examples: 20\n", "examples: 597\n", at="20\n"),),
    good=(Example("models/digits/versions/2.0.0.yaml", "examples: 300\n", "examples: 597\n"),),
)
