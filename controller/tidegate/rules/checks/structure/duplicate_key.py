"""A key may stand only once in a mapping.

Most readers of YAML silently take the last one: a second `sha256:` far below would undo the pin that was reviewed.
"""

from __future__ import annotations

from tidegate.rules.rule import Example, unreadable

RULE = unreadable(
    "duplicate-key",
    __doc__,
    bad=(Example("models/digits/deployment.yaml", "replicas: 2\nreplicas: 3", "replicas: 2", at="replicas: 3"),),
    good=(Example("models/digits/deployment.yaml", "replicas: 3", "replicas: 2"),),
)
