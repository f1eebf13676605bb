"""A model has one deployment.yaml, or one file for each environment, never both.

Which of the two would count is nothing that a reader should have to know by heart.
"""

from __future__ import annotations

from tidegate.rules.rule import Example, unreadable

RULE = unreadable(
    "two-deployments",
    __doc__,
    bad=(
        Example(
            "models/digits/deployments/production.yaml",
            'api: tidegate/v1\nkind: Deployment\nmodel: digits\nversion: "2.0.0"\npolicy: progressive\n',
        ),
    ),
    good=(
        Example(
            "models/letters/deployments/production.yaml",
            'api: tidegate/v1\nkind: Deployment\nmodel: letters\nversion: "1.0.0"\npolicy: progressive\n',
        ),
    ),
)
