"""A number must mean the same to every reader.

`010` is ten for some and eight for others; `.nan`, `.inf`, `1e999` and integers of more than 64 bits are nothing that
JSON, an engine or the gateway could carry.
"""

from __future__ import annotations

from tidegate.rules.edits import plain_number
from tidegate.rules.rule import Example, Mend, unreadable

RULE = unreadable(
    "odd-number",
    __doc__,
    mend=Mend(plain_number),
    bad=(Example("models/digits/deployment.yaml", "replicas: 02", "replicas: 2", at="02"),),
    good=(Example("models/digits/deployment.yaml", "replicas: 20", "replicas: 2"),),
)
