"""No evidence is not good evidence: `no_data` should not say `pass`.

With `pass`, a dead metric source or a route without traffic promotes whatever waits there. To mend, write `hold`, or
`rollback` where nobody is there to look; a model with little traffic gets fewer `min_requests` and longer steps instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for policies that pass on silence."""
    for policy in context.policies():
        for name in ("action", "then"):
            if getattr(policy.value.no_data, name) == "pass":
                when = "at once" if name == "action" else "after a while"
                yield RULE.finding(
                    policy,
                    ("no_data", name),
                    f"without any evidence a release goes on {when}",
                    "write 'hold' or 'rollback'",
                )


RULE = Rule(
    id="no-data-pass",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "action: pass", "action: hold", at="pass"),
        Example("policies/progressive.yaml", "for: 30m, then: pass}", "for: 30m, then: rollback}", at="pass"),
    ),
    good=(Example("policies/progressive.yaml", "for: 30m, then: hold}", "for: 30m, then: rollback}"),),
)
