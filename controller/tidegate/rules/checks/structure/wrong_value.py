"""A value must be one that the field allows.

Durations carry a unit (`30m`), shares are percentages (`5%`), sizes have one too (`512Mi`), names are lower-case
letters, digits and dashes, and some fields take one of a few words.
"""

from __future__ import annotations

from tidegate.rules.edits import meant
from tidegate.rules.rule import Example, Mend, unreadable

RULE = unreadable(
    "wrong-value",
    __doc__,
    mend=Mend(meant, safe=False),
    bad=(
        Example("policies/progressive.yaml", "weight: 5", "weight: 5%", at="5,"),
        Example("policies/progressive.yaml", "then: rolback}", "then: rollback}", at="rolback"),
    ),
    good=(Example("policies/progressive.yaml", "weight: 6%", "weight: 5%"),),
)
