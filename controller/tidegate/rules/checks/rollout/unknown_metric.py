"""A guardrail on the gateway's record may only use a metric that is in it: `error_rate` or `latency_pNN_ms`.

NN is a quantile from 50 to 99, or 999 for the last in a thousand. Of answers in OpenAI's protocol there are `tokens`, their
number for a request, `cost`, by the prices in policies/prices.yaml, and `wrong_model`, the share that names another model
than the release's. With `source: shadow` there are all of these too, and `agreement`. Every other metric needs a `source`
that knows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.metric import SAID
from tidegate.spec.vocabulary import similar

_NAMES = ("error_rate", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms")
_KNOWN = re.compile(r"error_rate|latency_p([5-9][0-9]|999)_ms")


def check(context: Context) -> Iterator[Finding]:
    """Judge the metric of every guardrail whose source is the gateway."""
    for policy in context.policies():
        for field, guardrails in (("guardrails", policy.value.guardrails), ("watch", policy.value.watch)):
            for index, guardrail in enumerate(guardrails):
                if guardrail.source not in ("gateway", "shadow") or _KNOWN.fullmatch(guardrail.metric):
                    continue
                if guardrail.metric in SAID:
                    continue
                if not guardrail.paired or guardrail.metric != "agreement":
                    where = "a shadow's pairs have" if guardrail.paired else "the gateway's record has"
                    known = (*(("agreement",) if guardrail.paired else ()), *_NAMES, *SAID)
                    close = similar(guardrail.metric, known)
                    message = f"{where} no metric '{guardrail.metric}'"
                    use = "use agreement, " if guardrail.paired else "use "
                    fix = (
                        f"did you mean '{close}'?"
                        if close
                        else f"{use}error_rate or latency_pNN_ms, or name its 'source'"
                    )
                    yield RULE.finding(policy, (field, index, "metric"), message, fix)


RULE = Rule(
    id="unknown-metric",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", "metric: latency_p95,", "metric: latency_p95_ms,", at="latency_p95,"),
        Example("policies/progressive.yaml", "metric: groundedness,", "metric: latency_p95_ms,", at="groundedness,"),
        Example(
            "policies/progressive.yaml",
            "watch: [{metric: errors, max: 0.1}]\nstandby: 72h",
            "standby: 72h",
            at="errors,",
        ),
        Example(
            "policies/progressive.yaml",
            "metric: agreemet, min: 0.9, source: shadow",
            "metric: latency_p95_ms, max_ratio: 1.2",
            at="agreemet,",
        ),
    ),
    good=(
        Example("policies/progressive.yaml", "metric: latency_p999_ms,", "metric: latency_p95_ms,"),
        Example(
            "policies/progressive.yaml",
            "metric: cost, max_ratio: 1.2, bounds: [0, 0.5], source: shadow",
            "metric: latency_p95_ms, max_ratio: 1.2",
        ),
    ),
)
