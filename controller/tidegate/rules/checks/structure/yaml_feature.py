"""Anchors, aliases, merge keys, tags and second documents are not read.

A reviewer must see in the changed lines what changes. An alias lets one edit change fields far away, and a tag makes
one text mean different things to different readers. Write values out, and one declaration to a file.
"""

from __future__ import annotations

from tidegate.rules.rule import Example, unreadable

RULE = unreadable(
    "yaml-feature",
    __doc__,
    bad=(Example("models/digits/deployment.yaml", "replicas: &count 2", "replicas: 2", at="&count 2"),),
    good=(Example("models/digits/deployment.yaml", "replicas: 2 # a comment is fine", "replicas: 2"),),
)
