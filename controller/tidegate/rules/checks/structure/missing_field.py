"""A field that the kind requires must be there.

`tidegate schema` writes the JSON Schema of every kind: an editor with the modeline offers the missing fields itself.
"""

from __future__ import annotations

from tidegate.rules.rule import Example, unreadable

RULE = unreadable(
    "missing-field",
    __doc__,
    bad=(Example("models/digits/deployment.yaml", "", "policy: progressive\n", at="api: "),),
    good=(Example("models/digits/deployment.yaml", "", "replicas: 2\n"),),
)
