"""A file must be YAML.

Tidegate reads YAML 1.2 with its core types: `true` and `false` are the only booleans, a date is text, `22:22` is text.
What the parser could not make sense of is reported at the place where it gave up; the cause can stand just above it:
a tab, a bracket or a quote that is not closed, a second colon in one line, a merge conflict. An empty file counts too.
"""

from __future__ import annotations

from tidegate.rules.rule import Example, unreadable

RULE = unreadable(
    "yaml-syntax",
    __doc__,
    bad=(Example("models/digits/deployment.yaml", "  replicas: 2", "replicas: 2", at=": 2"),),
    good=(Example("models/digits/deployment.yaml", "replicas: 3", "replicas: 2"),),
)
