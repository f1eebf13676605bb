"""A source that is asked must be asked for each release: a variable such as `{{release}}` has to stand in it.

Without one, both releases get the same answer: a comparison finds nothing, ever, and an absolute limit blames the
candidate for what the whole service shows. To mend, put `{{release}}`, `{{version}}`, `{{config}}` or `{{role}}` (stable or
candidate) where the metric's labels or the service's address tell releases apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule
from tidegate.spec.sources import TELLING, variables


def check(context: Context) -> Iterator[Finding]:
    """Look for sources that name no variable that differs between two releases."""
    for policy, at, guardrail in rails(context):
        if isinstance(guardrail.source, str):
            continue
        named = {name for text in guardrail.source.asked.written() for name in variables(text)}
        if not named & TELLING:
            yield RULE.finding(
                policy,
                (*at, "source"),
                f"'{guardrail.metric}' is asked for without a word of which release: both get the same answer",
                'tell them apart, such as sum(orders{release="{{release}}"})',
            )


_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"


def _queried(query: str) -> str:
    return f"{{metric: basket, min_ratio: 0.97, bounds: [0, 500], source: {{prometheus: '{query}'}}}}"


RULE = Rule(
    id="same-for-both",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            _queried('sum(basket{model="{{model}}"})'),
            _RAIL,
            at="{prometheus",
            mended=_queried('sum(basket{release="{{release}}"})'),
        ),
    ),
    good=(Example("policies/progressive.yaml", _queried('sum(basket{model="{{model}}", role="{{role}}"})'), _RAIL),),
)
