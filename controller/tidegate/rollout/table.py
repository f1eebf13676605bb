"""The one table of legal phase transitions of a candidate. What it rules out is a defect of Tidegate, not of a model.

Neighbours: turn.py moves candidates through it; DESIGN section 4 names the phases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate.rollout.state import Phase
from tidegate.spec.errors import InternalError

_ENDS = frozenset({Phase.ROLLED_BACK, Phase.SUPERSEDED})

TRANSITIONS: Final[Mapping[Phase, frozenset[Phase]]] = {
    Phase.PREPARING: _ENDS | {Phase.VALIDATING, Phase.HOLDING, Phase.PROMOTED},
    Phase.VALIDATING: _ENDS | {Phase.SHADOW, Phase.SHIFTING, Phase.HOLDING, Phase.PROMOTED},
    Phase.SHADOW: _ENDS | {Phase.SHADOW, Phase.SHIFTING, Phase.HOLDING, Phase.PROMOTED},
    Phase.SHIFTING: _ENDS | {Phase.SHADOW, Phase.SHIFTING, Phase.HOLDING, Phase.PROMOTED},
    Phase.HOLDING: _ENDS
    | {Phase.PREPARING, Phase.VALIDATING, Phase.SHADOW, Phase.SHIFTING, Phase.HOLDING, Phase.PROMOTED},
    Phase.PROMOTED: frozenset(),
    Phase.ROLLED_BACK: frozenset(),
    Phase.SUPERSEDED: frozenset(),
}
"""From each phase to those it may go to. `shifting` to itself is the next step, `holding` to itself another cause."""


def check(route: str, old: Phase, new: Phase) -> Phase:
    """`new`, when the table allows it from `old`. Raises InternalError when not."""
    if new not in TRANSITIONS[old]:
        raise InternalError(f"a candidate cannot go from {old} to {new}", where=route)
    return new
