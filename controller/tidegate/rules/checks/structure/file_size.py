"""A declared file has at most 1 MiB.

Weights, data and evaluation sets are referred to by `uri` and `sha256`; they do not live in YAML.
"""

from __future__ import annotations

from tidegate.rules.rule import Example, unreadable

RULE = unreadable(
    "file-size",
    __doc__,
    bad=(Example("models/digits/configs/default.yaml", "# " + "x" * 1024 * 1024),),
    good=(Example("models/digits/configs/default.yaml", "{threshold: 0.5} # half", "{threshold: 0.5}"),),
)
