"""A version that is merged is neither deleted nor renamed: it is the record of what answered.

The audit of an old request, a rollback and a pinned release need the file. A version that nobody wants any more costs
nothing: no deployment asks for it, and `retire` takes its containers and its cached artifact away.

Allowed are: a revert, and the end of a model. A revert is a `git revert` of the merged commit that added the version, in
its own words ("This reverts commit ..."); or, without them, a change that also undoes whatever else that commit did, to
the deployment say. A model ends in two changes: the first says `lifecycle: {state: retired}`, the next deletes its
folder. To mend, bring the file back; a better version is a new file beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from tidegate.rules.checks.history import cut_off
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.history import Change, History
from tidegate.rules.rule import Example, Rule
from tidegate.spec.layout import place


def check(context: Context) -> Iterator[Finding]:
    """Find merged version files that are gone."""
    history = context.history
    if history is None:
        return
    for change in history.changes:
        found = place(change.path)
        if change.status != "D" or found is None or found.kind != "ModelVersion" or change.path in history.undone:
            continue
        model = history.gone.get(found.model or "")
        if model is None or model.state != "retired":
            yield _finding(change, found.name, found.model or "", history)


def _finding(change: Change, version: str, model: str, history: History) -> Finding:
    back = f"bring it back: git checkout {history.commit[:12]} -- {quote(change.path)}{cut_off(history)}"
    if change.renamed:
        message = f"version '{version}' of '{model}' is merged already, and this renames its file to {change.renamed}"
        return RULE.at(change.path, 1, 1, message, f"{back}; the new file may stay beside it")
    message = f"version '{version}' of '{model}' is merged already, and this deletes it"
    return RULE.at(change.path, 1, 1, message, back)


RULE = Rule(
    id="deleted-version",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/versions/1.0.0.yaml", "", deleted=True),
        Example("models/digits/versions/1.0.0.yaml", "models/digits/versions/1.0.0-old.yaml", deleted=True),
    ),
    good=(Example("models/digits/configs/default.yaml", "", deleted=True),),
)
