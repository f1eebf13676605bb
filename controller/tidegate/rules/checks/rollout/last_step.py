"""The last step should give the release all of the traffic, or all but a small `holdback`.

After the last step comes the promotion, which gives it everything at once. What only shows under the whole load (a
full queue, a cold cache, a connection pool that is too small) is then met without a step that watches. To mend, end
with `{name: full, weight: 100%, for: 1h}`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_share

LEAST = 0.9


def check(context: Context) -> Iterator[Finding]:
    """Look at the last step of each list."""
    for policy, field, steps in ways(context):
        if not steps:
            continue
        last = steps[-1]
        weight = last.weight or 0.0
        if weight >= LEAST:
            continue
        given = f"gives it {format_share(weight)} of everybody's traffic" if weight else "gives it nobody but its own"
        yield RULE.finding(
            policy,
            (field, len(steps) - 1, *(("weight",) if last.weight is not None else ())),
            f"the last step '{last.name}' {given}, and after it come 100% at once",
            "add a last step with 'weight: 100%'",
        )


_FULL = "  - {name: full, weight: 100%, for: 1h}\n"

RULE = Rule(
    id="last-step",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "# and then all\n", _FULL, at="50%"),
        Example("policies/progressive.yaml", "  - {name: eu, segments: [internal], for: 1h}\n", _FULL, at="{name: eu"),
    ),
    good=(Example("policies/progressive.yaml", _FULL.replace("100%", "99%"), _FULL),),
)
