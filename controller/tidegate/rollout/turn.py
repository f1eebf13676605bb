"""One pass over one route: what was seen, the state as it becomes, and the events on the way. Lives for one call.

Neighbours: machine.py makes one a pass and hands it from concern to concern; table.py guards the phases.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tidegate.analysis.model import Result, Verdict
from tidegate.rollout.state import Candidate, Event, EventKind, Hold, Phase, Readiness, RouteState, Seen
from tidegate.rollout.steps import present
from tidegate.rollout.table import check
from tidegate.rollout.traffic import traffic
from tidegate.spec.errors import InternalError
from tidegate.spec.release import Release


class Turn:
    """The state between the old one and the new one. `now` in epoch seconds."""

    def __init__(self, state: RouteState, seen: Seen, now: float) -> None:
        self.before = state
        self.state = state
        self.seen = seen
        self.now = now
        self.events: list[Event] = []
        self.verdicts: dict[str, Verdict] = {}

    @property
    def candidate(self) -> Candidate:
        """The candidate. Raises InternalError when there is none: callers have asked `state.candidate` before."""
        if self.state.candidate is None:
            raise InternalError("there is no candidate", where=self.state.route)
        return self.state.candidate

    @property
    def held_by_hand(self) -> bool:
        """Whether git says `hold: true`; while git cannot be read, whether it did. A way back is never held.

        Where git asks for nothing any more, nobody asks for a rollout to go on either.
        """
        candidate, desired = self.candidate, self.seen.desired
        held = desired.hold if desired is not None else self.seen.gone or candidate.hold is Hold.MANUAL
        return held and not candidate.fast

    @property
    def queued(self) -> str:
        """Why the candidate has to wait for its turn, '' when it need not: a first release and a way back never do."""
        candidate = self.candidate
        begun = candidate.phase is not Phase.PREPARING and candidate.hold is not Hold.QUEUED
        return "" if begun or candidate.fast or self.state.stable is None else self.seen.queued

    def seats_ready(self, release: Release, replicas: int) -> bool:
        """Whether it is ready, with that many replicas; where nobody counts them, its readiness is enough."""
        return self.ready(release) and self.seen.replicas.get(release.workload, replicas) >= replicas

    def ready(self, release: Release | None) -> bool:
        """Whether a release's workload is ready."""
        return release is not None and self.readiness(release) is Readiness.READY

    def readiness(self, release: Release) -> Readiness:
        """How hot a release's workload is."""
        return self.seen.ready.get(release.workload, Readiness.COLD)

    def set(self, **changes: Any) -> None:
        """Change fields of the route's state."""
        self.state = replace(self.state, **changes)

    def update(self, **changes: Any) -> None:
        """Change fields of the candidate that are not its phase."""
        self.set(candidate=replace(self.candidate, **changes))

    def move(self, phase: Phase, **changes: Any) -> None:
        """Take the candidate to another phase. Raises InternalError when the table has no such way."""
        self.update(phase=check(self.state.route, self.candidate.phase, phase), **changes)

    def end(self, phase: Phase, **changes: Any) -> Candidate:
        """Take the candidate to its end and out of the state, with `changes` to the state; returns it as it was."""
        ended = self.candidate
        self.keep_verdict(ended)
        check(self.state.route, ended.phase, phase)
        self.set(candidate=None, **changes)
        return ended

    def owned(self, said: Verdict) -> Verdict:
        """A failing verdict with whose release it is: one sentence for git, the status, the history and the alert."""
        owners = self.seen.desired.owners if self.seen.desired is not None else ()
        if said.result is not Result.FAIL or not owners:
            return said
        return replace(said, sentence=f"{said.sentence}; owner {', '.join(owners)}")

    def keep_verdict(self, candidate: Candidate) -> None:
        """Remember the verdict that this pass went by: the candidate itself may have left the state by its end."""
        if candidate.verdict is not None:
            self.verdicts[candidate.release.id] = candidate.verdict

    def tell(
        self, kind: EventKind, release: Release, reason: str, *, phase: Phase | None = None, of: Candidate | None = None
    ) -> None:
        """Add an event about `release`. `of` is the candidate that it concerns, when that has left the state."""
        candidate = of or self.state.candidate
        about = candidate if candidate is not None and candidate.release.digest == release.digest else None
        step = present(about) if about is not None else None
        shown = phase or (about.phase if about is not None else Phase.PROMOTED)
        commit = about.touched if about is not None else release.commit
        weights = traffic(self.state, self.seen.ready).weights
        name = step.name if step is not None else None
        event = Event(
            self.now, self.state.route, kind, release.id, release.version, str(shown), name, weights, reason, commit
        )
        self.events.append(event)
