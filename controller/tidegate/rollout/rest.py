"""Is a route at rest: does nothing move it but a change of what git asks for, or of how ready its servers are? Pure.

Neighbours: machine.py, whose pass over such a route would change nothing; the engine leaves those routes out of a pass, so
that a pass costs what is in motion and not the size of the portfolio.
"""

from __future__ import annotations

import math

from tidegate.rollout.state import Desired, RouteState


def rests_until(state: RouteState, desired: Desired | None, *, gone: bool = False) -> float | None:
    """Epoch seconds until which time alone changes nothing (infinity: never); None while the route is in motion.

    At rest it serves what git asks for, with nobody on trial or watched, and owes git no more than word of a promotion, on
    which nothing here waits: ten thousand of those take git a while. Where git cannot be
    followed (no `desired`, and not `gone`) it serves what it did.
    """
    stable = state.stable
    if stable is None or gone or (desired is not None and desired.release.digest != stable.digest):
        return None
    in_motion = (state.candidate, state.watch, state.degraded, state.skipped, state.absent_since)
    if any(duty.kind != "promote" for duty in state.duties) or any(part is not None for part in in_motion):
        return None
    return min((standby.until for standby in state.standby), default=math.inf)
