"""A field must be one that the kind knows.

A misspelt `min_request:` would otherwise be a limit that is silently not there.
"""

from __future__ import annotations

from tidegate.rules.edits import meant
from tidegate.rules.rule import Example, Mend, unreadable

RULE = unreadable(
    "unknown-field",
    __doc__,
    mend=Mend(meant),
    bad=(Example("models/digits/deployment.yaml", "replica: 2", "replicas: 2", at="replica: 2"),),
    good=(Example("models/digits/deployment.yaml", "replicas: 3", "replicas: 2"),),
)
