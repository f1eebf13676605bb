"""What counts as something said in a model card. Neighbours: checks/governance/, spec/model.py has the card."""

from __future__ import annotations

import re

_PLACEHOLDER = re.compile(r"(todo|tbd|tba|n/?a|none|unknown|\.+|-+|\?+|<.*>|fill in.*)?", re.IGNORECASE)


def said(value: object) -> bool:
    """Whether a field of a card holds more than nothing or a placeholder."""
    if isinstance(value, tuple):
        return any(said(one) for one in value)
    return isinstance(value, str) and _PLACEHOLDER.fullmatch(value.strip().rstrip(".: ")) is None
