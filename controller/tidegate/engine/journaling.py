"""What a pass decided, made durable in one transaction: states, events, verdicts, and how far the record was read.

Where the journal cannot be written, nobody gets more than before: moves forward are put back and taken anew later.
Neighbours: loop.py decides and acts, journal/ writes. STYLE habit 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from tidegate.analysis.model import Batch
from tidegate.engine.losses import Losses
from tidegate.engine.sources import Sources
from tidegate.engine.summary import verdict_doc
from tidegate.engine.trails import Trails
from tidegate.journal.journal import Journal
from tidegate.rollout.serial import rejections_to_doc, to_doc
from tidegate.rollout.state import Advance, Event, EventKind, Pairs, RouteState
from tidegate.spec.release import split_route

SAVE_EVERY = 30.0
FORWARD = frozenset({EventKind.STEP, EventKind.PROMOTED})
"""Events by which a candidate gets more traffic than it had."""
ENDED = "ended"
"""The journal's cursor that says what was rejected on features that follow their model again."""


class Taken(NamedTuple):
    """The evidence that one decision took in: closed windows of the record, and of mirrored requests."""

    batches: tuple[Batch, ...] = ()
    pairs: tuple[Pairs, ...] = ()

    def shifted(self, by: float) -> Taken:
        """The same windows, `by` seconds later."""
        batches = (replace(one, start=one.start + by, end=one.end + by) for one in self.batches)
        pairs = (replace(one, start=one.start + by, end=one.end + by) for one in self.pairs)
        return Taken(tuple(batches), tuple(pairs))


class Journaling:
    """What is decided and not yet on disk. Called by the loop alone."""

    def __init__(self, journal: Journal, routes: Iterable[str]) -> None:
        self._journal = journal
        self._events: list[Event] = []
        self._verdicts: list[tuple[str, dict[str, Any]]] = []
        self._changed: set[str] = set(routes)
        self._dropped: set[str] = set()
        self._ended: dict[str, Any] = journal.cursor(ENDED) or {}
        # Moves forward of this pass, each with the state before it, its evidence and its verdicts.
        self._forward: dict[str, tuple[RouteState, Taken, Advance]] = {}
        self._unused: dict[str, Taken] = {}
        self._next = 0.0
        self._trails = Trails(journal)

    def begin(self) -> None:
        """A pass decides: what moved forward in the one before is on disk."""
        self._forward.clear()

    def changed(self, *routes: str) -> None:
        """These routes have another state."""
        self._changed.update(routes)

    def dropped(self, state: RouteState) -> None:
        """This route is no more; what was rejected on it stays so, as long as its model is here."""
        self._dropped.add(state.route)
        self._ended[state.route] = rejections_to_doc(state.rejected)

    def unused(self, route: str) -> Taken:
        """Evidence of this route that was put back, to be taken in anew."""
        return self._unused.pop(route, Taken())

    def shift(self, by: float) -> None:
        """The wall clock was set back (`by` negative, seconds)."""
        self._next += by
        self._unused = {route: taken.shifted(by) for route, taken in self._unused.items()}

    def decided(self, route: str, before: RouteState, taken: Taken, step: Advance) -> bool:
        """Take in one route's decision. True when it gives a candidate more traffic than it had."""
        if step.state != before:
            self._changed.add(route)
        self._trails.decided(route, before, step)
        self._events.extend(step.events)
        if step.events:
            self._verdicts += verdict_docs(route, step)
        forward = any(event.kind in FORWARD for event in step.events)
        if forward:
            self._forward[route] = (before, taken, step)
        return forward

    def save(
        self,
        states: Mapping[str, RouteState],
        cursor: Callable[[], Mapping[str, Any]],
        now: float,
        *,
        absorbed: bool,
        losses: Losses,
        sources: Sources,
    ) -> int:
        """Write down what changed; returns how many events went with it. `absorbed`: evidence was taken in.

        Raises what the journal raises; then nothing is written, and all of it is still to be saved.
        """
        if not (
            absorbed
            or self._events
            or self._changed
            or self._dropped
            or losses.pending
            or sources.pending
            or now >= self._next
        ):
            return 0
        with self._journal.transaction() as transaction:
            for route in self._dropped:
                transaction.drop_state(route)
            for route in self._changed & states.keys():  # one that was dropped may have begun again since the last save
                transaction.put_state(route, to_doc(states[route]))
            if self._dropped:
                kept = {route: doc for route, doc in self._ended.items() if doc and split_route(route)[0] in states}
                transaction.put_cursor(ENDED, kept)
            transaction.add_events(event_doc(event) for event in self._events)
            for route, doc in self._verdicts:
                transaction.add_verdict(route, doc)
            transaction.put_cursor("record", cursor())
            losses.put(transaction)
            sources.put(transaction)
            self._trails.put(transaction)
        losses.saved()
        sources.saved()
        self._trails.saved()
        told = len(self._events)
        self._changed.clear()
        self._events.clear()
        self._verdicts.clear()
        self._dropped.clear()
        self._next = now + SAVE_EVERY
        return told

    def put_back(self, states: Mapping[str, RouteState]) -> dict[str, RouteState]:
        """The states before the moves forward of this pass: they are taken anew, with the same evidence, once written.

        `states`: as they are now. What a route owes git for another one that ended in this pass it goes on owing.
        """
        before = {}
        for route, (state, taken, step) in self._forward.items():
            owed = (duty for duty in states[route].duties if duty not in step.state.duties) if route in states else ()
            before[route] = replace(state, duties=(*state.duties, *owed))
            self._unused[route] = taken
            self._events = [event for event in self._events if event not in step.events]
            gone = verdict_docs(route, step)
            self._verdicts = [kept for kept in self._verdicts if kept not in gone]
        return before


def event_doc(event: Event) -> dict[str, Any]:
    """An event as the journal keeps it."""
    return {
        "at": event.at,
        "route": event.route,
        "kind": event.kind.value,
        "release": event.release,
        "version": event.version,
        "phase": event.phase,
        "step": event.step,
        "weights": dict(event.weights),
        "reason": event.reason,
        "commit": event.commit,
    }


def verdict_docs(route: str, step: Advance) -> list[tuple[str, dict[str, Any]]]:
    """The verdicts that a decision went by, as the journal keeps them; also that on a release which has just ended."""
    return [(route, {"release": release, **(verdict_doc(said) or {})}) for release, said in step.verdicts]
