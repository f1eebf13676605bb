"""A model that leaves git goes on serving: say that it is retired first.

A deleted folder stops nothing, and a deleted deployment neither: what serves goes on, and nobody can steer it, roll it back
or look up its contract. A folder under a new name is a new model to Tidegate: it begins with a first release of its own,
while the old one goes on serving. A symbolic link in the deployment's place counts as deleted, since the controller does
not follow it.

To mend, retire the model in two changes: `lifecycle: {state: retired}` in its model.yaml, then delete its folder. A model
that must stop at once is taken off its callers first. Reverts and renames are meant as well: they take the same way.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.history import Change, History
from tidegate.rules.rule import Example, Rule
from tidegate.spec.layout import place

_RETIRE = "bring it back and say 'lifecycle: {state: retired}' in model.yaml; delete the folder in a later change"


def check(context: Context) -> Iterator[Finding]:
    """Find deployments that go, and whole folders, unless the model was retired."""
    history = context.history
    if history is None:
        return
    for name, model in history.gone.items():
        own = [change for change in history.changes if change.path.startswith(f"models/{name}/")]
        if own and model.policies and model.state != "retired":  # no policy: nothing was ever deployed
            yield _gone(name, own)
    for change in history.changes:
        found = place(change.path)
        lost = change.status == "D" or (change.before.startswith("100") and not change.after.startswith("100"))
        if not lost or found is None or found.kind != "Deployment" or found.model in history.gone:
            continue
        folder = context.declared.models.get(found.model or "")
        state = folder.model.value.lifecycle.state if folder is not None and folder.model is not None else ""
        if state != "retired" and not _replaced(history, change):
            message = f"'{found.model}' has no deployment any more: what serves goes on serving, and nobody steers it"
            fix = "bring it back; to end the model, say 'lifecycle: {state: retired}' in model.yaml"
            yield RULE.at(change.path, 1, 1, message, fix)


def _gone(name: str, own: list[Change]) -> Finding:
    new = [place(change.renamed) for change in own if change.renamed]
    names = [found.model for found in new if found is not None and found.model not in (None, name)]
    path = next((change.path for change in own if change.path.endswith("/model.yaml")), own[0].path)
    then = f"becomes '{names[0]}', a new model to Tidegate" if names else "leaves git"
    message = f"'{name}' {then}: what serves as '{name}' goes on serving, and nobody steers it"
    return RULE.at(path, 1, 1, message, _RETIRE)


def _replaced(history: History, change: Change) -> bool:
    """Whether this change puts another deployment of the same model in its place (an environment of its own, say)."""
    folder = change.path.partition("/deployment")[0]
    return any(other.status == "A" and other.path.startswith(f"{folder}/deployment") for other in history.changes)


RULE = Rule(
    id="deleted-model",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example("models/digits/deployment.yaml", "", deleted=True),),
    good=(Example("models/digits/deployment.yaml", "models/digits/deployments/production.yaml", deleted=True),),
)
