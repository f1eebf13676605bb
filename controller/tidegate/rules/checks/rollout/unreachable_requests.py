"""A step's `min_requests` must come at the declared traffic, within the policy's budget or else within a day.

A step ends when its requests were seen. At 2 requests a minute, 5 % of them are 144 a day: a step that wants 5,000
holds for a month, and an old budget ends it undecided. Judged for each model that uses the policy and says in its
`model.yaml` how much `traffic` it has. To mend, ask for fewer, give the step more traffic, or give slow models a
policy of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.pace import paces
from tidegate.spec.units import format_duration

DAY = 86400.0


def check(context: Context) -> Iterator[Finding]:
    """Reckon the time of each step at each user's traffic."""
    for policy, field, steps in ways(context):
        budget = policy.value.budget
        bound = budget.duration if budget is not None and budget.duration is not None else DAY
        within = f"the budget of {format_duration(bound)}" if bound != DAY else "a day"
        for model in context.users(policy.value.name):
            if model.traffic is None:
                continue
            for index, pace in enumerate(paces(steps, model.traffic) or ()):
                if pace is None or not pace.waits or pace.seconds <= max(bound, pace.step.duration):
                    continue
                most = int(pace.rate * bound)
                takes = f"takes {format_duration(pace.seconds)}" if pace.rate else "never ends"
                yield RULE.finding(
                    policy,
                    (field, index, "min_requests") if pace.step.min_requests else (field, index),
                    f"at the traffic of '{model.name}' the step '{pace.step.name}' {takes} to see its requests",
                    f"ask for {most:,} at most, which is what comes within {within}, or use another policy there"
                    if most
                    else "give it more traffic, or use another policy there",
                )


RULE = Rule(
    id="unreachable-requests",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "min_requests: 500000", "min_requests: 500", at="500000"),
        Example(
            "models/digits/model.yaml",
            "traffic: {requests: 10, per: minute, segments: {internal: 2%}}",
            "traffic: {requests: 50, segments: {internal: 2%}}",
            at="500",
        ),
    ),
    good=(
        Example("policies/progressive.yaml", "min_requests: 5000", "min_requests: 500"),
        Example("models/digits/model.yaml", "", "traffic: {requests: 50, segments: {internal: 2%}}\n"),
    ),
)
