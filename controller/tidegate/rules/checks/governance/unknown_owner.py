"""A model's owners are people or teams that governance knows.

Verdicts and rollbacks name the owners: one that is misspelt, or a team that is gone, is told to nobody. Known is who
answers for something under `roles` in policies/governance.yaml; without roles, everybody is. To mend, name one of them,
or add the owner to a role.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Look up the owners of every model."""
    governance = context.declared.governance
    known = {owner for role in governance.value.roles.values() for owner in role.owners} if governance else set()
    for folder in context.declared.models.values():
        for index, owner in enumerate(folder.model.value.owners) if folder.model is not None else ():
            assert folder.model is not None
            if not owner.strip():
                yield RULE.finding(
                    folder.model, ("owners", index), "an owner without a name", "write who answers for it"
                )
            elif known and owner not in known:
                close = similar(owner, sorted(known))
                fix = f"did you mean '{close}'?" if close else "name one of its owners, or add this one to a role"
                message = f"'{owner}' has no role in policies/governance.yaml"
                yield RULE.finding(folder.model, ("owners", index), message, fix)


RULE = Rule(
    id="unknown-owner",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/digits/model.yaml", "owners: [vision-platfrom]", "owners: [vision-platform]", at="vision-platfrom"
        ),
        Example("models/digits/model.yaml", 'owners: [""]', "owners: [vision-platform]", at='""'),
    ),
    good=(
        Example("models/digits/model.yaml", "owners: [vision-platform, support-platform]", "owners: [vision-platform]"),
    ),
)
