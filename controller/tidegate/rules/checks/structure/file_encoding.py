"""A file must be UTF-8.

Anything else is read differently by different machines, and a digest of it would name different things.
"""

from __future__ import annotations

from tidegate.rules.rule import Example, unreadable

RULE = unreadable(
    "file-encoding",
    __doc__,
    bad=(
        Example(
            "models/digits/model.yaml",
            "summary: Liest handgeschriebene Ziffern f\udcfcr das Archiv.",
            "summary: Reads a handwritten digit from an 8x8 grey image.",
            at="\udcfcr das Archiv.",
            mended="summary: Liest handgeschriebene Ziffern für das Archiv.",
        ),
    ),
    good=(
        Example(
            "models/digits/model.yaml",
            "summary: Liest handgeschriebene Ziffern für das Archiv.",
            "summary: Reads a handwritten digit from an 8x8 grey image.",
        ),
    ),
)
