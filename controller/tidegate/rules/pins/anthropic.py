"""Kind anthropic: dated ids are fixed; from generation 4.6 on the dateless id is the fixed one, before it is an alias.

Neighbours: bedrock.py judges the same ids behind 'anthropic.'.
"""

from __future__ import annotations

import re

from tidegate.rules.pins import dates
from tidegate.rules.pins.families import foreign, moving
from tidegate.rules.pins.verdict import Fixed, Floats, Outcome

_DATELESS_SINCE = (4, 6)
_DATED = re.compile(r"claude-[a-z0-9]+(?:[.-][a-z0-9]+)*[-@]([0-9]{8})", re.ASCII)
_DATELESS = re.compile(r"claude-([a-z]+(?:-[a-z]+)*)-([1-9][0-9]?)(?:-(0|[1-9][0-9]?))?", re.ASCII)


def anthropic(ref: str) -> Outcome:
    """`claude-...-YYYYMMDD` (or `@YYYYMMDD`), or `claude-<name>-<major>[-<minor>]` from 4.6 on."""
    if not ref.startswith("claude-"):
        return Floats(foreign(ref, "anthropic") or "it does not begin with 'claude-'")
    why = moving(ref)
    if why is not None:
        return Floats(why)
    dated = _DATED.fullmatch(ref)
    if dated is not None:
        impossible = dates.compact(dated[1])
        return Floats(impossible) if impossible is not None else Fixed("contract", "a dated snapshot")
    return dateless(ref)


def dateless(ref: str) -> Outcome:
    """The judgement of an id without a date, by its generation."""
    found = _DATELESS.fullmatch(ref)
    if found is None:
        return Floats(
            "an id without a date or a generation of the newer kind (claude-<name>-<major>-<minor>) is an alias"
        )
    if (int(found[2]), int(found[3] or 0)) < _DATELESS_SINCE:
        return Floats("before generation 4.6 an id without a date is an alias of the newest snapshot")
    return Fixed("contract", "from generation 4.6 on an id without a date is one fixed snapshot")
