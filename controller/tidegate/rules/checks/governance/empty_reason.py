"""A reason says something: 'update' and 'TODO' do not.

A version's reason is merged for good, and is all that somebody who looks for the cause of a change in a year will find.
To mend, write what changed for whom: 'Retrained with August scans; closes the gap on writer group B.'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.declared import Loaded
from tidegate.spec.source import Loc

_NOTHING = re.compile(
    r"(todo|tbd|wip|fix(me|es)?|updates?|updated|bump|test|testing|changes?|changed|new( version)?|none|n/?a|xxx|asdf|reason|why|"
    r"because|-|\.+|\?+)?",
    re.IGNORECASE,
)


def check(context: Context) -> Iterator[Finding]:
    """Look at the reasons of versions in use, configs and deployments."""
    reasons: list[tuple[Loaded[Any], Loc, str | None]] = []
    for _, version in in_use(context):
        reasons.append((version, ("reason",), version.value.reason))
    for folder in context.declared.models.values():
        reasons += [(config, ("reason",), config.value.reason) for config in folder.configs.values()]
        for deployment in folder.deployments.values():
            reasons.append((deployment, ("reason",), deployment.value.reason))
            for name, override in deployment.value.features.items():
                reasons.append((deployment, ("features", name, "reason"), override.reason))
    for file, loc, reason in reasons:
        if reason is not None and _NOTHING.fullmatch(reason.strip().rstrip(".!: ")):
            message = f"'{reason.strip()}' is no reason" if reason.strip() else "the reason is empty"
            yield RULE.finding(file, loc, message, "write what changed, for whom, and why now")


RULE = Rule(
    id="empty-reason",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/deployment.yaml", "reason: Update.", "reason: The August scans are in.", at="Update."),
        Example("models/digits/versions/1.0.0.yaml", "reason: TODO", "reason: The first version.", at="TODO"),
    ),
    good=(Example("models/digits/deployment.yaml", "reason: Fixes the sevens.", "reason: The August scans are in."),),
)
