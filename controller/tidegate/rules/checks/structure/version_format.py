"""A version must be a semantic version: `MAJOR.MINOR.PATCH`, with a pre-release or build part if need be.

Major stands for another architecture or signature, minor for other features, patch for tuning; build metadata names the
data (`2.0.1+data.7`). It names files, containers and releases, so nothing else may stand in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRE = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRE}(?:\.{_PRE})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)


def check(context: Context) -> Iterator[Finding]:
    """Judge the version of every version file, by the grammar of semver.org, version 2.0.0."""
    for _, version in context.versions():
        text = version.value.version
        if not _SEMVER.fullmatch(text):
            numbers = [str(int(part)) for part in re.findall(r"[0-9]+", text)[:3]]
            meant = ".".join([*numbers, "0", "0", "0"][:3])
            message = f"'{text}' is not a semantic version"
            yield RULE.finding(version, ("version",), message, f'write it like "{meant}", in the file\'s name too')


RULE = Rule(
    id="version-format",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/versions/2.0.0.yaml", 'version: "v2"', 'version: "2.0.0"', at='"v2"'),
        Example("models/digits/versions/2.0.0.yaml", 'version: "2.0"', 'version: "2.0.0"', at='"2.0"'),
    ),
    good=(Example("models/digits/versions/2.0.0.yaml", 'version: "2.0.1+data.7"', 'version: "2.0.0"'),),
)
