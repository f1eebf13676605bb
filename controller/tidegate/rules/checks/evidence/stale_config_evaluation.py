"""When a config changes, the evaluation in it is repeated.

Another prompt, temperature or tool is other behaviour, and figures that were reached with the former one say nothing
about it. Judged with `--base REF`, by meaning: a comment or a reason may change. To mend, evaluate the config as it is
now and write the new figures, or take the old ones out.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.configs import changed_configs
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.digest import field_digest


def check(context: Context) -> Iterator[Finding]:
    """Compare every config that changed, and its evaluation, with the base."""
    for _, before, config in changed_configs(context):
        kept = field_digest(config.source, "evaluation")
        if config.value.evaluation is not None and kept == field_digest(before.source, "evaluation"):
            message = "the config has changed, and these figures are those of the former one"
            fix = "evaluate it as it is now, or take 'evaluation' out"
            yield RULE.finding(config, ("evaluation",), message, fix, key=True)


_PATH = "models/assistant/configs/default.yaml"
_OLD = "You answer in one sentence."

RULE = Rule(
    id="stale-config-evaluation",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example(_PATH, "You answer in two sentences.", _OLD, at="evaluation:"),),
    good=(Example(_PATH, "reason: Shorter answers, as asked for.", "reason: Shorter answers."),),
)
