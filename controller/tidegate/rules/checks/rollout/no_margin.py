"""At least one guardrail should have a `margin`: what a promotion must have excluded.

Without one, a release is promoted because nothing was proven against it, and little is proven by little traffic:
silence is taken for health. `margin` asks for proof that the release is not worse than that. To mend, add it to the
guardrail that matters most: `{metric: error_rate, max: 0.02, margin: 0.05}` takes some 250 answers without an error.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for policies whose guardrails have no margin."""
    for policy in context.policies():
        guardrails = policy.value.guardrails
        if guardrails and all(guardrail.margin is None for guardrail in guardrails):
            yield RULE.finding(
                policy,
                ("guardrails",),
                "no guardrail has a margin: a release that nothing is known about is promoted",
                "add 'margin' to one of them, beyond its limit",
                key=True,
            )


_RAIL = "{metric: error_rate, max_ratio: 2.0, margin: 4.0}"

RULE = Rule(
    id="no-margin",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("policies/progressive.yaml", "{metric: error_rate, max_ratio: 2.0}", _RAIL, at="guardrails:"),),
    good=(Example("policies/progressive.yaml", "{metric: error_rate, max: 0.02, margin: 0.05}", _RAIL),),
)
