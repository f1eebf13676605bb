"""A model that is deprecated says on which day it ends.

`lifecycle: {state: deprecated, end_of_life: "2027-09-30", replacement: digits-next}` lets callers plan, and lets
Tidegate warn in time. A day is written as `2027-09-30`; anything else cannot be reckoned with. To mend, add or correct
`end_of_life`, and name a `replacement` where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.moments import moment
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look at the lifecycle of every model."""
    for folder in context.declared.models.values():
        model = folder.model
        if model is None:
            continue
        lifecycle = model.value.lifecycle
        if lifecycle.end_of_life is not None and moment(lifecycle.end_of_life) is None:
            message = f"'{lifecycle.end_of_life}' is no day, so nobody is warned in time"
            yield RULE.finding(model, ("lifecycle", "end_of_life"), message, "write it like '2027-09-30'")
        elif lifecycle.state == "deprecated" and lifecycle.end_of_life is None:
            message = f"'{folder.name}' is deprecated, and nothing says when it ends"
            yield RULE.finding(model, ("lifecycle", "state"), message, "add 'end_of_life:' below 'lifecycle:'")


_PATH = "models/digits/model.yaml"
_OLD = "lifecycle: {state: production}"
_NEW = 'lifecycle: {state: deprecated, end_of_life: "2027-09-30"}'

RULE = Rule(
    id="deprecation-plan",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "lifecycle: {state: deprecated}", _OLD, at="deprecated}", mended=_NEW),
        Example(_PATH, _NEW.replace("2027-09-30", "autumn 2027"), _OLD, at='"autumn', mended=_NEW),
    ),
    good=(Example(_PATH, _NEW, _OLD),),
)
