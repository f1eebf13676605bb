"""Kind gemini: numbered ids up to 2.0, the plain stable names from 2.5 on. Previews move, with a date in them or not.

Neighbours: families.py knows the words that say so.
"""

from __future__ import annotations

import re

from tidegate.rules.pins.families import ID, foreign, moving
from tidegate.rules.pins.verdict import Fixed, Floats, Outcome

_GENERATION = re.compile(r"gemini-([0-9]+)(?:\.([0-9]+))?-(.+)", re.ASCII)
_NUMBERED = re.compile(r".+-0(?!00)[0-9]{2}", re.ASCII)
_STABLE = re.compile(r"(?:pro|flash|flash-lite)(?:-image)?", re.ASCII)
_OTHERS = re.compile(
    r"(?:text-embedding|text-multilingual-embedding|gemini-embedding|imagen-[0-9]\.[0-9](?:-[a-z]+)*|veo-[0-9]\.[0-9](?:-[a-z]+)*)"
    r"-0(?!00)[0-9]{2}",
    re.ASCII,
)
_STABLE_SINCE = (2, 5)


def gemini(ref: str) -> Outcome:
    """`...-0NN` for 1.x and 2.0; `gemini-2.5-*` and `gemini-3*` without a suffix: pro, flash, flash-lite."""
    model = ref.removeprefix("publishers/google/").removeprefix("models/")
    if not ID.fullmatch(model):
        return Floats("it is no model id")
    why = foreign(model, "gemini") or moving(model)
    if why is not None:
        return Floats(why)
    if _OTHERS.fullmatch(model):
        return Fixed("contract", "a numbered stable model")
    found = _GENERATION.fullmatch(model)
    if found is None:
        return Floats("the name of a family is an alias")
    if (int(found[1][:4]), int((found[2] or "0")[:4])) < _STABLE_SINCE:
        if _NUMBERED.fullmatch(found[3]):
            return Fixed("contract", "a numbered stable model")
        return Floats("before generation 2.5 a name without a number such as -001 is updated in place")
    if not _STABLE.fullmatch(found[3]):
        return Floats("only the plain stable names (pro, flash, flash-lite) are said to stay as they are")
    return Fixed("contract", "a stable name", "the provider's promise is weak: compare the model that its answers name")
