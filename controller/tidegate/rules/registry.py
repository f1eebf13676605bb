"""All rules, found in checks/: a module below a family's folder is a rule. In order of family and id.

Neighbours: engine.py runs them, pages.py prints them. A rule is added by adding its module, and nowhere else.
"""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from importlib import import_module
from typing import Final

from tidegate.rules import checks
from tidegate.rules.rule import Rule

FAMILIES: Final = (
    "structure", "references", "pins", "history", "evidence", "rollout", "governance", "safety"
)  # fmt: skip


def _rules() -> tuple[Rule, ...]:
    found = []
    for family in FAMILIES:
        package = import_module(f"{checks.__name__}.{family}")
        names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
        rules = (import_module(f"{package.__name__}.{name}").RULE for name in names)
        found += [replace(rule, family=family, compares=rule.compares or family == "history") for rule in rules]
    return tuple(found)


RULES: Final[tuple[Rule, ...]] = _rules()
BY_ID: Final[dict[str, Rule]] = {rule.id: rule for rule in RULES}
