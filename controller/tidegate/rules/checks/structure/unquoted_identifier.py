"""A version, digest or commit must be text, and so it must be in quotes where it looks like a number.

YAML reads `version: 1.10` as 1.1 and `commit: 123e4567` as infinity: another release than the one that was reviewed.
It is judged by the text in the file, before any conversion.
"""

from __future__ import annotations

from tidegate.rules.edits import quote
from tidegate.rules.rule import Example, Mend, unreadable

RULE = unreadable(
    "unquoted-identifier",
    __doc__,
    mend=Mend(quote),
    bad=(
        Example("models/digits/deployment.yaml", "version: 2.0", 'version: "2.0.0"', at="2.0\n"),
        Example(
            "models/digits/versions/1.0.0.yaml",
            "commit: 1048576010485760104857601048576010485760",
            'commit: "507a3991d874042a92e7581eb6e7cc7074b0c77e"',
            at="1048576010485760104857601048576010485760",
            mended='commit: "1048576010485760104857601048576010485760"',
        ),
    ),
    good=(Example("models/digits/deployment.yaml", 'version: "1.0.0"', 'version: "2.0.0"'),),
)
