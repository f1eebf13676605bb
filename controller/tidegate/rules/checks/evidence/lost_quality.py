"""A version that goes out may not lose more against the one in production than the contract allows.

`acceptance: {regression: {accuracy: {max_drop: 0.01}}}`: a limit alone would let quality slide down to it, release by
release. Judged with `--base REF`, where both were measured on the same set; going back to an older version is a rollback,
and may lose. To mend, deploy a version that is as good, or allow the drop in the contract, in a commit of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.evidence import falling_short
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare the figures with those of the version in the base's deployment."""
    for version, found in falling_short(context, "lost"):
        yield RULE.finding(version, found.loc, found.message, "deploy a version that loses less")


RULE = Rule(
    id="lost-quality",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/digits/deployment.yaml", 'archive: {version: "1.1.0"}', 'archive: {version: "1.0.0"}', at="0.954"
        ),
    ),
    good=(Example("models/digits/deployment.yaml", 'version: "1.0.0"\nconfig', 'version: "2.0.0"\nconfig'),),
)
