"""The card fields that governance requires are fields that a card has.

A misspelt name in `required_card_fields` would require nothing, and nobody would notice. The fields of a card are
intended_use, limitations, out_of_scope, ethics and licence. To mend, correct the name.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.model import Card
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Compare the names with the fields of a card."""
    governance = context.declared.governance
    for index, field in enumerate(governance.value.required_card_fields) if governance is not None else ():
        if field not in Card.model_fields:
            assert governance is not None
            close = similar(field, Card.model_fields)
            fix = f"did you mean '{close}'?" if close else f"take it out; there are {', '.join(Card.model_fields)}"
            message = f"a card has no field '{field}', so nothing is required"
            yield RULE.finding(governance, ("required_card_fields", index), message, fix)


RULE = Rule(
    id="unknown-card-field",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/governance.yaml",
            "required_card_fields: [licence, limitatons]",
            "required_card_fields: []",
            at="limitatons]",
        ),
    ),
    good=(Example("policies/governance.yaml", "required_card_fields: [licence]", "required_card_fields: []"),),
)
