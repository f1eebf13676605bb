"""A model's replacement must be a model of this repository that is still served.

`lifecycle: {replacement: digits-next}` is where callers are sent when a model ends. A name that leads nowhere, to the
model itself, or to a retired one, sends them nowhere. To mend, name the folder of a model.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Look up every replacement among the models."""
    for model in context.facts.values():
        if model.replacement is None:
            continue
        name, line, column = model.replacement
        found = context.facts.get(name)
        others = sorted(context.facts.keys() - {model.name})
        if name == model.name:
            message, fix = f"'{name}' is to be replaced by itself", "name another model, or take the field out"
        elif found is None:
            close = similar(name, others)
            message = f"there is no model '{name}' to replace '{model.name}'"
            fix = f"did you mean '{close}'?" if close else "name the folder of a model that is there"
        elif found.state == "retired":
            message, fix = f"'{name}', which is to replace '{model.name}', is retired", "name a model that is served"
        else:
            continue
        yield RULE.at(f"models/{model.name}/model.yaml", line, column, message, fix)


_OLD = "lifecycle: {state: production}"
_NEW = 'lifecycle: {state: deprecated, end_of_life: "2027-09-30", replacement: assistant}'

RULE = Rule(
    id="unknown-replacement",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("models/digits/model.yaml", _NEW.replace("assistant", "asistant"), _OLD, at="asistant}", mended=_NEW),
        Example("models/digits/model.yaml", _NEW.replace("assistant", "digits"), _OLD, at="digits}", mended=_NEW),
    ),
    good=(Example("models/digits/model.yaml", _NEW, _OLD),),
)
