"""A value that is asked for now and then must be asked for often enough to tell anything.

Each look is one observation, however many requests stand behind it. Even the largest difference that the bounds allow
takes about ten looks to prove, and an ordinary one some hundred; with fewer, the guardrail only waits. Reckoned with the
times of the policy's steps. To mend, ask more often (of a shorter range), make the steps longer, or count: `events` and
`total` tell with each look how many things there were.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.sources import PrometheusSource
from tidegate.spec.units import format_duration

LEAST = 10


def check(context: Context) -> Iterator[Finding]:
    """Count the looks that the steps have time for."""
    for policy, field, steps in ways(context):
        total = sum(step.duration for step in steps)
        for index, guardrail in enumerate(policy.value.guardrails):
            if isinstance(guardrail.source, str) or guardrail.source.asked.counts or not total:
                continue
            source = guardrail.source.asked
            spacing = source.spacing if isinstance(source, PrometheusSource) else source.every
            looks = int(total / spacing)
            if looks < LEAST:
                times = "once" if looks == 1 else f"{looks} times" if looks else "not once"
                yield RULE.finding(
                    policy,
                    ("guardrails", index, "source"),
                    f"'{guardrail.metric}' is looked at {times} in the {format_duration(total)} of '{field}': "
                    f"{LEAST} looks are the least that could show anything",
                    "ask more often, make the steps longer, or count events and total",
                )


_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"


def _queried(more: str) -> str:
    query = """'avg(basket{release="{{release}}"})'"""
    return f"{{metric: basket, min_ratio: 0.97, bounds: [0, 500], source: {{prometheus: {{query: {query}, {more}}}}}}}"


RULE = Rule(
    id="few-looks",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/progressive.yaml",
            _queried("interval: 1h"),
            _RAIL,
            at="{prometheus",
            mended=_queried("interval: 1m"),
        ),
    ),
    good=(Example("policies/progressive.yaml", _queried("interval: 1h, step: 1m"), _RAIL),),
)
