"""Lines of a terminal: text wrapped beside a label, and tables that fit or give up. Pure.

Neighbour: plan_text.py.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

LABEL = 11
"""Columns of the label and the space behind it."""
GAP = "  "


def wrapped(text: str, width: int, indent: str = "", hang: str = "  ") -> list[str]:
    """One paragraph within `width` columns; what is wrapped is hung in."""
    return textwrap.wrap(
        text,
        max(width, 20),
        initial_indent=indent,
        subsequent_indent=indent + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def labelled(label: str, lines: Sequence[str], width: int, indent: str = "  ") -> list[str]:
    """Paragraphs beside a label, each wrapped within `width` columns. Lines that begin with a space are left alone."""
    found: list[str] = []
    room = width - len(indent) - LABEL
    for line in lines:
        found += [line[1:]] if line.startswith(" ") else wrapped(line, room)
    heads = [f"{label:<{LABEL}}", *[" " * LABEL] * len(found)]
    return [f"{indent}{head}{line}".rstrip() for head, line in zip(heads, found, strict=False)]


def table(rows: Sequence[Sequence[str]], room: int) -> list[str] | None:
    """Rows in columns, each line marked with a leading space for `labelled`; None when they do not fit into `room`.

    The last column may be as long as what is left. Columns that are empty in every row are left out.
    """
    kept = [i for i in range(len(rows[0])) if any(row[i] for row in rows)] if rows else []
    widths = [max(len(row[i]) for row in rows) for i in kept]
    if sum(widths) + len(GAP) * (len(widths) - 1) > room:
        return None
    return [" " + GAP.join(f"{row[i]:<{w}}" for i, w in zip(kept, widths, strict=True)).rstrip() for row in rows]
