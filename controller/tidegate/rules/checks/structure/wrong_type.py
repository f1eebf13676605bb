"""A value must have the type of its field: text, a number, true or false, a list, a mapping.

`yes` and `on` are text in YAML 1.2, so a flag takes only `true` or `false`.
"""

from __future__ import annotations

from tidegate.rules.edits import typed
from tidegate.rules.rule import Example, Mend, unreadable

RULE = unreadable(
    "wrong-type",
    __doc__,
    mend=Mend(typed),
    bad=(
        Example("models/digits/deployment.yaml", 'replicas: "2"', "replicas: 2", at='"2"'),
        Example("models/digits/deployment.yaml", "hold: no", "hold: false", at="no"),
        Example(
            "models/digits/versions/2.0.0.yaml",
            "env: {THREADS: 1}",
            'env: {THREADS: "1"}',
            at="1}",
        ),
    ),
    good=(Example("models/digits/deployment.yaml", "replicas: 3", "replicas: 2"),),
)
