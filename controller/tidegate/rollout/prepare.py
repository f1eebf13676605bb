"""Before any user's traffic, and beneath it: is the workload ready, was it ready in time, did the validation pass?

Neighbours: machine.py calls this each pass; finish.py rejects what never gets ready. DESIGN section 5.
"""

from __future__ import annotations

from typing import Final

from tidegate.rollout.finish import promote, reject, standby_text
from tidegate.rollout.state import Candidate, EventKind, Phase, Readiness
from tidegate.rollout.steps import startup_budget
from tidegate.rollout.turn import Turn
from tidegate.spec.units import format_duration

LOSSES: Final = 3
"""A candidate whose workload went down so often, while the stable one stood, is rejected."""
COLD_BOUND: Final = 3600.0
"""Seconds that fetching may take at least: artifacts and images do not count towards the start-up budget."""


def prepare(turn: Turn) -> None:
    """Readiness: wait for it, in its budget; notice when it is lost; go on to validation when it is there."""
    candidate = turn.candidate
    if turn.ready(candidate.release):
        if candidate.waiting_since is not None:
            turn.update(waiting_since=None)
        if candidate.phase is Phase.PREPARING and not turn.held_by_hand and not turn.queued and _whole(turn, candidate):
            _prepared(turn)
        return
    _not_ready(turn, candidate)


def validate(turn: Turn) -> None:
    """Take in the validation's answer. A first release that passed is promoted: there is nothing to compare it with."""
    candidate = turn.candidate
    if candidate.doing is not Phase.VALIDATING:
        return
    answer = turn.seen.validation.get(candidate.release.digest)
    if not candidate.validated and answer is not None:
        if answer:
            reject(turn, f"validation failed: {answer}")
            return
        turn.update(validated=True)
    free = turn.seen.durable and not turn.held_by_hand and not turn.queued  # all other holds come with a stable release
    if turn.candidate.validated and turn.state.stable is None and free:
        promote(turn, "first release of this route: validated, nothing to compare it with")


def watch_stable(turn: Turn) -> None:
    """Tell when the stable release cannot serve, and when it can again. traffic.py sends its requests elsewhere."""
    stable = turn.state.stable
    if stable is None:
        return
    if turn.ready(stable):
        if turn.state.degraded is not None:
            turn.set(degraded=None)
            turn.tell(EventKind.RECOVERED, stable, f"{stable.label} is ready again")
    elif turn.state.degraded is None:
        why = turn.seen.why.get(stable.workload) or f"its workload is {turn.readiness(stable)}"
        turn.set(degraded=why)
        turn.tell(EventKind.DEGRADED, stable, f"{stable.label} is not ready: {why}")


def _whole(turn: Turn, candidate: Candidate) -> bool:
    """A way back takes everything at once: it waits for all replicas, but for no longer than one start takes."""
    if not candidate.fast or turn.seats_ready(candidate.release, candidate.replicas):
        return True
    if candidate.short_since is None:
        turn.update(short_since=turn.now)
    return turn.now - (turn.candidate.short_since or turn.now) >= startup_budget(candidate)


def _prepared(turn: Turn) -> None:
    candidate = turn.candidate
    if not candidate.fast:
        turn.move(Phase.VALIDATING)
        return
    promote(turn, f"back to {candidate.release.label}: it is ready; {standby_text(candidate.policy.standby)}")


def _not_ready(turn: Turn, candidate: Candidate) -> None:
    """Reject what failed or took too long, unless it is the stable release's workload, or that one is down too."""
    release, stable = candidate.release, turn.state.stable
    serving = candidate.step >= 0
    if candidate.waiting_since is None and (serving or turn.readiness(release) is not Readiness.COLD):
        lost = serving and turn.ready(stable)
        turn.update(waiting_since=turn.now, losses=candidate.losses + lost)
        candidate = turn.candidate
    if candidate.config_only or (serving and not turn.ready(stable)):
        return
    why = turn.seen.why.get(release.workload, "")
    because = f": {why}" if why else ""
    if turn.readiness(release) is Readiness.FAILED:
        reject(turn, f"its workload failed{because}")
    elif candidate.losses >= LOSSES:
        reject(turn, f"its workload went down {candidate.losses} times in this rollout{because}")
    elif candidate.hold is None or candidate.doing is not Phase.PREPARING:
        _in_time(turn, candidate, because)


def _in_time(turn: Turn, candidate: Candidate, because: str) -> None:
    budget = startup_budget(candidate)
    since = candidate.waiting_since or candidate.started_at
    if candidate.waiting_since is None or turn.readiness(candidate.release) is Readiness.COLD:
        since, budget = max(since, turn.seen.awake_since), max(COLD_BOUND, 10 * budget)
    if turn.now - since >= budget:
        reject(turn, f"not ready within its start-up budget of {format_duration(budget)}{because}")
