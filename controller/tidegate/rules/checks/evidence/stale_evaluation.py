"""An evaluation must be newer than the training whose weights it judges.

Figures that were reached before the weights existed are those of other weights: a copied block, most of the time. To
mend, evaluate the version that is declared here, and declare the figures in a new version.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.moments import moment
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare `evaluation.ran_at` with `training.trained_at` of versions in use."""
    for _, version in in_use(context):
        evaluation, training = version.value.evaluation, version.value.training
        if evaluation is None or training is None:
            continue
        ran, trained = moment(evaluation.ran_at), moment(training.trained_at)
        if ran is not None and trained is not None and ran.before(trained):
            message = f"evaluated at {evaluation.ran_at}, before the weights were trained ({training.trained_at})"
            yield RULE.finding(version, ("evaluation", "ran_at"), message, "evaluate these weights, in a new version")


_PATH = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="stale-evaluation",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example(_PATH, 'ran_at: "2026-07-02T09:00:00Z"', 'ran_at: "2026-08-30T14:05:00Z"', at='"2026-07-02'),),
    good=(Example(_PATH, 'ran_at: "2026-08-30"', 'ran_at: "2026-08-30T14:05:00Z"'),),
)
