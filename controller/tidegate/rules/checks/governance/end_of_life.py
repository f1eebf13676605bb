"""A model that still serves near its end of life needs a plan; after it, it needs to be replaced.

`end_of_life` in model.yaml is the day after which nobody looks after the model any more. Tidegate begins to warn
`end_of_life_notice_days` before (policies/governance.yaml). Nothing is stopped on that day. To mend, move the callers
and set `state: retired`, or put the day off, in a commit that the owners approve.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.moments import moment
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare the end of every deployed model with the calendar."""
    if context.today is None:
        return
    governance = context.declared.governance
    notice = governance.value.end_of_life_notice_days if governance is not None else 90
    for folder in context.declared.models.values():
        model = folder.model
        if model is None or not folder.deployments or model.value.lifecycle.state == "retired":
            continue
        end = moment(model.value.lifecycle.end_of_life)
        days = (end.day - context.today).days if end is not None else None
        if days is None or days > notice:
            continue
        replacement = model.value.lifecycle.replacement
        follow = f"move its callers to '{replacement}'" if replacement else "name a 'replacement', and move its callers"
        when = f"ended {-days} days ago" if days < 0 else "ends today" if days == 0 else f"ends in {days} days"
        message = f"'{folder.name}' {when} and still serves"
        yield RULE.finding(model, ("lifecycle", "end_of_life"), message, f"{follow}, or put the day off")


_PATH = "models/digits/model.yaml"
_OLD = "lifecycle: {state: production}"
_NEW = 'lifecycle: {state: deprecated, end_of_life: "2027-09-30"}'

RULE = Rule(
    id="end-of-life",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, _NEW.replace("2027-09-30", "2026-12-31"), _OLD, at='"2026-12-31"', mended=_NEW),
        Example(_PATH, _NEW.replace("2027-09-30", "2026-06-30"), _OLD, at='"2026-06-30"', mended=_NEW),
    ),
    good=(Example(_PATH, _NEW, _OLD),),
)
