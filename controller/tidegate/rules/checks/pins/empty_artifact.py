"""The digest of the empty file is hardly ever that of a model, or of examples to judge one on.

It is what a failed export or an interrupted copy leaves behind, recorded by a script that did not look.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import EMPTY_SHA256
from tidegate.rules.pins.places import digests
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for the well-known digest wherever a file is named."""
    for folder in context.declared.models.values():
        for loaded, loc, sha256 in digests(folder):
            if sha256 == EMPTY_SHA256:
                fix = "look at the file: export it again, and write what 'sha256sum' prints"
                yield RULE.finding(loaded, loc, "this is the digest of an empty file", fix)


_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_PATH = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="empty-artifact",
    severity="warning",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example(_PATH, EMPTY_SHA256, _SHA256, at='"e3b0c442'),),
    good=(Example(_PATH, _SHA256[::-1], _SHA256),),
)
