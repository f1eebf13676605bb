"""A segment must be able to hold somebody: at least one value, or a prefix that is not empty.

A step on a segment without values gets no traffic and never ends; an empty prefix takes in everybody who sends the
header at all, which is hardly what a step for insiders means. To mend, name the values that your clients send.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look at the segments of every model."""
    for folder in context.declared.models.values():
        for name, segment in folder.model.value.segments.items() if folder.model is not None else ():
            if segment.values is not None and not any(segment.values):
                where, message = "values", f"nobody is in '{name}': it lists no value"
            elif segment.prefix == "":
                where, message = "prefix", f"everybody who sends {segment.header} is in '{name}': its prefix is empty"
            else:
                continue
            assert folder.model is not None
            fix = f"write what {segment.header} is for those who belong to it"
            yield RULE.finding(folder.model, ("segments", name, where), message, fix)


RULE = Rule(
    id="empty-segment",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/model.yaml", "values: []", "values: [internal, beta]", at="[]"),
        Example("models/digits/model.yaml", 'prefix: ""', "prefix: eu-", at='""'),
    ),
    good=(Example("models/digits/model.yaml", "values: [internal]", "values: [internal, beta]"),),
)
