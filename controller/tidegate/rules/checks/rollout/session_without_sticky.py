"""A policy with `unit: session` counts users by the `sticky` header of the model, so each model that it serves needs one.

Without that header the record has no sessions: each request is counted by itself, and a user who meets the same fault ten times
counts as ten. Nor does a user stay with one release, so that a session would be of both. To mend, declare
`sticky: {header: x-user-id}` in model.yaml, or count by `request`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for policies that count sessions of models without any."""
    for policy in context.policies():
        if policy.value.unit != "session":
            continue
        used = context.users(policy.value.name)
        without = sorted(known.name for known in used if known.readable and not known.sticky)
        if without:
            more = f" and {len(without) - 1} more" if len(without) > 1 else ""
            yield RULE.finding(
                policy,
                ("unit",),
                f"sessions are to be counted, and the requests of '{without[0]}'{more} have none: there is no 'sticky'",
                "declare sticky: {header: ...} in its model.yaml, or write 'unit: request'",
            )


RULE = Rule(
    id="session-without-sticky",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            "unit: session\nstandby: 72h",
            "standby: 72h",
            at="session",
            mended="unit: request\nstandby: 72h",
        ),
    ),
    good=(Example("policies/progressive.yaml", "unit: request\nstandby: 72h", "standby: 72h"),),
)
