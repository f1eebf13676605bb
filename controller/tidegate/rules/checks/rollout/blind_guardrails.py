"""At the declared traffic, the guardrails must be able to see what everybody would call a bad release.

That is five times the errors, twice the latency, a score of 0.9 that falls to 0.6 (for an absolute limit, that far
beyond it). What takes more candidate requests than all steps together bring is promoted unseen. Reckoned for each
model that uses the policy and declares its `traffic`, as `tidegate plan` does, which shows the figures. To mend, make
steps longer, ask for more `min_requests`, lower `confidence`, take out guardrails that share it, or come closer to
the limit that you mean.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import ways
from tidegate.rules.rule import Example, Rule
from tidegate.spec.metric import Kind, kind_of, unsupported
from tidegate.spec.pace import Pace, paces
from tidegate.spec.policy import Guardrail, RolloutPolicy
from tidegate.spec.samples import alphas, assumed_baseline, detectable, low_is_bad

PLAIN = {Kind.ERRORS: 5.0, Kind.LATENCY: 2.0, Kind.INVALID: 5.0, Kind.SCORE: 4.0, Kind.AGREEMENT: 4.0}
LOW = 2 / 3


def check(context: Context) -> Iterator[Finding]:
    """For each user of a policy, what its best guardrail on each metric sees over all steps."""
    for policy, field, steps in ways(context):
        for model in context.users(policy.value.name):
            walk = paces(steps, model.traffic) if model.traffic is not None else None
            known = [pace for pace in walk or () if pace is not None and pace.rate > 0]
            if walk is None or len(known) < len(walk):
                continue
            total = sum(pace.rate * pace.seconds for pace in known)
            for index in _blind(policy.value, known):
                guardrail = policy.value.guardrails[index]
                yield RULE.finding(
                    policy,
                    ("guardrails", index),
                    f"in the {total:,.0f} candidate requests that '{field}' bring at the traffic of '{model.name}', "
                    f"nothing would see {_plain(guardrail)}",
                    "make the steps longer, or lower 'confidence'",
                )


def _blind(policy: RolloutPolicy, walk: list[Pace]) -> Iterator[int]:
    """The first guardrail of each metric that is not seen well enough by any."""
    seen: dict[tuple[str, str], tuple[int, bool]] = {}
    requests = [exposure for pace in walk for exposure in pace.exposures()]
    pairs = [exposure for pace in walk for exposure in pace.pairs()]
    for index, (guardrail, alpha) in enumerate(zip(policy.guardrails, alphas(policy), strict=True)):
        if guardrail.immediate or alpha <= 0 or guardrail.polled or unsupported(guardrail):
            continue
        effect = detectable(guardrail, assumed_baseline(guardrail), alpha, pairs if guardrail.paired else requests)
        key = guardrail.metric, str(guardrail.source)
        first, well = seen.get(key, (index, False))
        seen[key] = first, well or (effect is not None and _enough(guardrail, effect))
    yield from (first for first, well in seen.values() if not well)


def _enough(guardrail: Guardrail, effect: float) -> bool:
    return effect >= LOW if low_is_bad(guardrail) else effect <= PLAIN[kind_of(guardrail)[0]]


def _plain(guardrail: Guardrail) -> str:
    kind, _ = kind_of(guardrail)
    where = "" if guardrail.relative else f", counted from its limit {guardrail.limit:g}"
    if low_is_bad(guardrail):
        return f"'{guardrail.metric}' fall by a third{where}"
    return f"'{guardrail.metric}' rise to {PLAIN[kind]:g} times{where}"


RULE = Rule(
    id="blind-guardrails",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "models/digits/model.yaml",
            "traffic: {requests: 200, per: day, segments: {internal: 20%}}",
            "traffic: {requests: 50, segments: {internal: 2%}}",
            at="{metric",
        ),
        Example("policies/progressive.yaml", "max_ratio: 9.0, margin: 12.0", "max_ratio: 2.0, margin: 4.0", "{metric"),
    ),
    good=(
        Example(
            "models/digits/model.yaml",
            "traffic: {requests: 5, segments: {internal: 2%}}",
            "traffic: {requests: 50, segments: {internal: 2%}}",
        ),
    ),
)
