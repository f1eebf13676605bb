"""The paths of a `webhook` source must be JMESPath.

A path that cannot be parsed never leads to a value: the checker is broken, and the rollout holds until it is mended.
To mend, try the path on an answer of the service, such as `scores[?name=='polite'].mean | [0]`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.policies import rails
from tidegate.rules.rule import Example, Rule
from tidegate.spec.sources import VARIABLES, WebhookSource, render


def check(context: Context) -> Iterator[Finding]:
    """Parse every path of every guardrail that has some."""
    for policy, at, guardrail in rails(context):
        source = guardrail.source if isinstance(guardrail.source, str) else guardrail.source.asked
        if not isinstance(source, WebhookSource):
            continue
        for field in ("value", "events", "total", "time"):
            path = getattr(source, field)
            why = _wrong(path) if path is not None else ""
            if why:
                yield RULE.finding(
                    policy,
                    (*at, "source", "webhook", field),
                    f"'{field}' of '{guardrail.metric}' is no JMESPath: {why}",
                    "mend the path, such as scores.mean",
                )


def _wrong(template: str) -> str:
    """Why this is no path; '' when it is one."""
    import jmespath  # lazily: most repositories have no such source
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(render(template, dict.fromkeys(VARIABLES, "a1")))
    except JMESPathError as error:
        return str(error).splitlines()[0].rstrip(":.")
    except RecursionError:
        return "it is nested too deeply"
    return ""


_RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"


def _asked(path: str) -> str:
    source = f'{{webhook: {{url: "https://judge.example.com/{{{{release}}}}", value: "{path}"}}}}'
    return f"{{metric: polite, max_drop: 0.05, bounds: [0, 1], source: {source}}}"


RULE = Rule(
    id="webhook-path",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("policies/progressive.yaml", _asked("scores["), _RAIL, at='"scores['),
        Example("policies/progressive.yaml", _asked("mean of scores"), _RAIL, at='"mean of'),
    ),
    good=(Example("policies/progressive.yaml", _asked("scores[?name=='polite'].mean | [0]"), _RAIL),),
)
