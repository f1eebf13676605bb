"""A figure and the limit that judges it are in the same unit.

`accuracy: 97.2` beside `min: 0.95` is a percentage beside a share: it would pass whatever it were. Accuracy, precision,
recall, F1 and areas under a curve lie between 0 and 1 here. To mend, write the share, in a new version where this one is
merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.evidence import contract
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule

_SHARE = re.compile(
    r"(^|_)(accuracy|precision|recall|f1|auc|auroc|auprc|roc_auc|specificity|sensitivity|error_rate)($|_)"
)


def check(context: Context) -> Iterator[Finding]:
    """Look for shares above 1 whose limit is a share."""
    for folder, version in in_use(context):
        evaluation = version.value.evaluation
        for metric, value in evaluation.metrics.items() if evaluation is not None else ():
            bound = contract(folder).metrics.get(metric)
            limit = (bound.min if bound.min is not None else bound.max) if bound is not None else None
            if _SHARE.search(metric.lower()) and (value < 0 or value > 1) and (limit is None or 0 <= limit <= 1):
                beside = f", beside the contract's {limit:g}" if limit is not None else ""
                message = f"{metric} {value:g} is no share from 0 to 1{beside}"
                fix = f"write {value / 100:g}, if that is what was measured"
                yield RULE.finding(version, ("evaluation", "metrics", metric), message, fix)


_PATH = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="odd-figure",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example(_PATH, "accuracy: 97.2,", "accuracy: 0.972,", at="97.2"),),
    good=(Example(_PATH, "accuracy: 1.0,", "accuracy: 0.972,"),),
)
