"""A model's card has every field that governance requires.

`required_card_fields` in policies/governance.yaml lists them. A field with nothing in it, or with a placeholder, is not
there. Retired models need none any more. To mend, write the field into `card:` in the model's file.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.cards import said
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.model import Card


def check(context: Context) -> Iterator[Finding]:
    """Look for the required fields in every model's card."""
    governance = context.declared.governance
    required = governance.value.required_card_fields if governance is not None else ()
    for folder in context.declared.models.values() if required else ():
        model = folder.model
        if model is None or model.value.lifecycle.state == "retired":
            continue
        for field in required:
            if field in Card.model_fields and not said(getattr(model.value.card, field)):
                message = f"the card says nothing under '{field}', which governance requires"
                yield RULE.finding(model, ("card", field), message, f"add '{field}:' below 'card:'")


RULE = Rule(
    id="missing-card-field",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "policies/governance.yaml",
            "required_card_fields: [intended_use]",
            "required_card_fields: []",
            at="api: ",
        ),
    ),
    good=(Example("policies/governance.yaml", "end_of_life_notice_days: 180", "end_of_life_notice_days: 90"),),
)
