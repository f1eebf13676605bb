"""`trained_at` and `ran_at` are moments that a calendar has, and that have passed.

They are written as ISO 8601 has it: `2026-08-30T14:05:00Z`, or `2026-08-30` for a day. Anything else cannot be compared,
and then nobody can tell whether the evaluation is newer than the weights. A moment to come is a slip.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.moments import moment
from tidegate.rules.rule import Example, Rule
from tidegate.spec.source import Loc


def check(context: Context) -> Iterator[Finding]:
    """Read the moments of versions in use, and of the configs' evaluations."""
    for _, version in in_use(context):
        value = version.value
        given: list[tuple[Loc, object]] = []
        given += [(("training", "trained_at"), value.training.trained_at)] if value.training is not None else []
        given += [(("evaluation", "ran_at"), value.evaluation.ran_at)] if value.evaluation is not None else []
        for loc, written in given:
            read = moment(written)
            if written is not None and read is None:
                message = f"'{written}' is no moment"
                yield RULE.finding(version, loc, message, "write it like '2026-08-30T14:05:00Z'")
            elif read is not None and context.today is not None and read.day > context.today + timedelta(days=1):
                yield RULE.finding(version, loc, f"{written} is yet to come", "write when it was")


_PATH = "models/digits/versions/2.0.0.yaml"
_OLD = 'ran_at: "2026-08-30T14:05:00Z"'

RULE = Rule(
    id="odd-moment",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "ran_at: last Tuesday", _OLD, at="last Tuesday"),
        Example(_PATH, "ran_at: 30.08.2026", _OLD, at="30.08.2026"),
        Example(_PATH, 'ran_at: "2062-08-30"', _OLD, at='"2062'),
    ),
    good=(Example(_PATH, 'ran_at: "2026-08-31T02:05:00+02:00"', _OLD),),
)
