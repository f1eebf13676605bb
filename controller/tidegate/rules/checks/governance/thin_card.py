"""A model in production says what it is for, where it fails, and under which licence it may be used.

Whoever calls it, reviews it or has to answer for it reads the card; `tidegate card` prints it. Asked for are
`intended_use`, `limitations` and `licence`; governance can require more, and make it an error
(`required_card_fields`). To mend, write a sentence into each.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.cards import said
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule

_ASKED = ("intended_use", "limitations", "licence")


def check(context: Context) -> Iterator[Finding]:
    """Look at the cards of models in production."""
    governance = context.declared.governance
    required = governance.value.required_card_fields if governance is not None else ()
    for folder in context.declared.models.values():
        model = folder.model
        if model is None or model.value.lifecycle.state != "production":
            continue
        missing = [field for field in _ASKED if field not in required and not said(getattr(model.value.card, field))]
        if missing:
            message = f"'{folder.name}' is in production, and its card says nothing under {', '.join(missing)}"
            yield RULE.finding(model, ("card",), message, f"add '{missing[0]}:' below 'card:'")


RULE = Rule(
    id="thin-card",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/model.yaml", "  licence: TODO", "  licence: CC-BY-4.0", at="intended_use: "),
        Example("models/assistant/model.yaml", "lifecycle: {state: production}\nowners:", "owners:", at="api: "),
    ),
    good=(Example("models/assistant/model.yaml", "lifecycle: {state: experimental}\nowners:", "owners:"),),
)
