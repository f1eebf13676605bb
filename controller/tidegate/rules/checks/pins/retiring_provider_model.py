"""A provider's model should not be about to retire.

From `end_of_life_notice_days` of policies/governance.yaml before the provider's date on (90 where nothing is said), so
that there is time for a new version, its evaluation and its rollout. The finding names the provider's page.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins.retirement import notice, retirements
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for models whose day is near."""
    for version, found, days in retirements(context):
        if 0 < days <= notice(context):
            in_days = "tomorrow" if days == 1 else f"in {days} days"
            message = f"the provider retires this model {in_days}, on {found.day}"
            fix = f"evaluate a successor and declare it as a new version: {found.source}"
            yield RULE.finding(version, ("provider", "model"), message, fix)


_PATH = "models/assistant/versions/1.0.0.yaml"
_MODEL = "gpt-5.5-2026-04-23"

RULE = Rule(
    id="retiring-provider-model",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example(_PATH, "gpt-4o-2024-08-06", _MODEL, at="gpt-4o-2024-08-06"),),
    good=(Example(_PATH, "gpt-5.4-mini-2026-03-17", _MODEL),),
)
