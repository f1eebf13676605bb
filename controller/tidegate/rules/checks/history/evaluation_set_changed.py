"""A new evaluation set makes old figures incomparable: the versions that are merged were judged on another one.

`regression` and the limits of `acceptance` compare figures, and figures from two sets say nothing about each other. A
version that passes on an easier set may be worse than the one it replaces. Judged with `--base REF`, where the contract
of a model with merged versions gets another set. To mend, keep the set; or change it on purpose, and evaluate the version
in production on the new set too, as a version of its own number, before the next one is compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare the set of every contract with what it was."""
    history = context.history
    changed = {change.path for change in history.changes if change.status == "M"} if history is not None else set[str]()
    for folder in context.declared.models.values():
        if history is None or folder.model is None or folder.model.path not in changed:
            continue
        base = history.declared.models.get(folder.name)
        if base is None or base.model is None:
            continue
        was, now = (model.value.acceptance.evaluation_set for model in (base.model, folder.model))
        judged = [
            version.value.version
            for version in base.versions.values()
            if was is not None
            and version.value.evaluation is not None
            and version.value.evaluation.set_sha256 == was.sha256
        ]
        if was is None or now is None or was.sha256 == now.sha256 or not judged:
            continue
        which = f"version {judged[0]} was" if len(judged) == 1 else f"{len(judged)} versions were"
        message = f"{which} evaluated on the set that this replaces: their figures and new ones cannot be compared"
        fix = f'keep sha256: "{was.sha256}", or evaluate the version in production on the new set, under a new number'
        yield RULE.finding(folder.model, ("acceptance", "evaluation_set", "sha256"), message, fix)


_SET = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
_OTHER = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"

RULE = Rule(
    id="evaluation-set-changed",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example("models/digits/model.yaml", _OTHER, _SET, at=f'"{_OTHER}"'),),
    good=(Example("models/digits/model.yaml", "scans-2026.jsonl", "scans.jsonl"),),
)
