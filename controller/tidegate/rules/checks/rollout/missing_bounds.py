"""A value that is asked for, or told in answers, needs `bounds`: the least and the greatest that it can be.

How much one value may say depends on how far it can lie off, so the analysis has to know its range beforehand. Without
`bounds` it is taken to lie between 0 and 1, and everything else is an invalid output, which promotes nobody. To mend,
write the range that the metric really has, such as `bounds: [0, 500]`; a wide one is safe, and costs requests.
Sources that count (`events` and `total`) need none.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for guardrails on asked values without bounds."""
    for policy, at, guardrail in rails(context):
        said = guardrail.source in ("gateway", "shadow") and guardrail.metric in _SAID
        if not said and (isinstance(guardrail.source, str) or guardrail.source.asked.counts):
            continue
        if "bounds" not in guardrail.model_fields_set:
            message = f"'{guardrail.metric}' has no bounds: values outside of 0 to 1 are invalid outputs"
            yield RULE.finding(
                policy, (*at, "metric" if said else "source"), message, "add its range, such as bounds: [0, 100]"
            )


_SAID = ("tokens", "cost")
_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"
_SOURCE = """source: {prometheus: 'sum(basket{release="{{release}}"})'}"""
_COUNTS = """{prometheus: {events: 'bad{role="{{role}}"}', total: 'all{role="{{role}}"}'}}"""

RULE = Rule(
    id="missing-bounds",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            f"{{metric: basket, min_ratio: 0.97, {_SOURCE}}}",
            _RAIL,
            at="{prometheus",
            mended=f"{{metric: basket, min_ratio: 0.97, bounds: [0, 500], {_SOURCE}}}",
        ),
        Example(
            "policies/progressive.yaml",
            "{metric: tokens, max_ratio: 1.5}",
            _RAIL,
            at="tokens",
            mended="{metric: tokens, max_ratio: 1.5, bounds: [0, 8000]}",
        ),
    ),
    good=(
        Example(
            "policies/progressive.yaml", f"{{metric: basket, min_ratio: 0.97, bounds: [0, 500], {_SOURCE}}}", _RAIL
        ),
        Example(
            "policies/progressive.yaml",
            f"{{metric: bad, max_ratio: 2, source: {_COUNTS}}}",
            _RAIL,
        ),
    ),
)
