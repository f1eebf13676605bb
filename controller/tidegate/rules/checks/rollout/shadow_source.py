"""A guardrail with `source: shadow` is judged on a shadow's pairs of answers, so a step has to mirror requests.

Without a `shadow` step on the way that a change takes (`steps`; `config_steps`, where they are given) it is never judged,
and guards nothing. Nothing is mirrored after the promotion either, so `watch` has no pairs. To mend, add a step such as
`{name: shadow, shadow: 10%, for: 1h}` before the first one that gives the release users, or take the guardrail out.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails, ways
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for guardrails on pairs of which there are none."""
    without: dict[str, str] = {}
    for policy, field, steps in ways(context):
        if all(step.shadow is None for step in steps):
            without.setdefault(policy.path, field)
    for policy, at, guardrail in rails(context):
        if not guardrail.paired:
            continue
        if at[0] == "watch":
            message = f"'{guardrail.metric}' of the shadow is watched after the promotion, when nothing is mirrored"
            yield RULE.finding(policy, (*at, "source"), message, "move it to 'guardrails'")
        elif policy.path in without:
            message = (
                f"'{guardrail.metric}' is judged on a shadow's pairs of answers, "
                f"and no step of '{without[policy.path]}' mirrors"
            )
            yield RULE.finding(
                policy, (*at, "source"), message, "add '- {name: shadow, shadow: 10%, for: 1h}' as its first step"
            )


_WITHOUT = """
  - {name: insiders, segments: [internal], for: 30m}
  - {name: canary, weight: 5%, for: 30m, min_requests: 500}
  - {name: half, weight: 50%, for: 30m, approve: manual}
  - {name: full, weight: 100%, for: 1h}
guardrails:
"""
_LIMIT = "{metric: latency_p95_ms, max_ratio: 1.2}"
_RAIL = "{metric: agreement, min: 0.98, source: shadow}"

RULE = Rule(
    id="shadow-source",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", _RAIL, _LIMIT, at="shadow}"),
        Example(
            "policies/progressive.yaml",
            f"config_steps:\n  - {{name: all, weight: 100%}}\nguardrails:\n  - {_RAIL}\n",
            "guardrails:\n",
            at="shadow}",
            mended="guardrails:\n",
        ),
        Example("policies/progressive.yaml", f"watch: [{_RAIL}]\nstandby: 72h", "standby: 72h", at="shadow}"),
    ),
    good=(
        Example(
            "policies/progressive.yaml",
            f"\n  - {{name: echo, shadow: 10%, for: 1h}}{_WITHOUT}  - {_RAIL}\n",
            _WITHOUT,
        ),
        Example("policies/progressive.yaml", "{metric: error_rate, max: 0.03, source: gateway}", _LIMIT),
        Example("policies/progressive.yaml", "{metric: hallucination, max: 0.03, source: feedback}", _LIMIT),
    ),
)
