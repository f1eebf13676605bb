"""The rules that governance tunes must be rules, and ones that can be tuned.

`rules: {modeline: error}` in policies/governance.yaml makes a rule an error, a warning, or switches it off. What makes
a file unreadable stays an error, whatever governance says.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Compare the names under `rules` with the catalogue."""
    from tidegate.rules.registry import BY_ID  # the catalogue lists this rule as well

    governance = context.declared.governance
    if governance is None:
        return
    for name, severity in governance.value.rules.items():
        rule = BY_ID.get(name)
        if rule is None:
            close = similar(name, BY_ID)
            fix = f"did you mean '{close}'?" if close else "take it out; 'tidegate rules' lists them"
            yield RULE.finding(governance, ("rules", name), f"there is no rule '{name}'", fix, key=True)
        elif rule.fixed and severity != "error":
            message = f"'{name}' is always an error: what it finds cannot be read"
            yield RULE.finding(governance, ("rules", name), message, "take it out", key=True)


RULE = Rule(
    id="governance-rules",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(
            "policies/governance.yaml", "rules: {modelines: error}", "rules: {modeline: warning}", at="modelines: "
        ),
        Example(
            "policies/governance.yaml", "rules: {yaml-syntax: off}", "rules: {modeline: warning}", at="yaml-syntax: "
        ),
    ),
    good=(Example("policies/governance.yaml", "rules: {modeline: off}", "rules: {modeline: warning}"),),
)
