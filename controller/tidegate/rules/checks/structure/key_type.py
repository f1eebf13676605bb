"""A key must be text.

`1:`, `true:` and `null:` are a number, a boolean and nothing. Put such names in quotes.
"""

from __future__ import annotations

from tidegate.rules.edits import quote
from tidegate.rules.rule import Example, Mend, unreadable

RULE = unreadable(
    "key-type",
    __doc__,
    mend=Mend(quote),
    bad=(
        Example(
            "models/digits/versions/2.0.0.yaml",
            "      1: {accuracy: 0.97}",
            "      a: {accuracy: 0.97}",
            at="1: {",
            mended='      "1": {accuracy: 0.97}',
        ),
    ),
    good=(Example("models/digits/versions/2.0.0.yaml", '      "1": {accuracy: 0.97}', "      a: {accuracy: 0.97}"),),
)
