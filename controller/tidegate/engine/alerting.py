"""Alerts of a running controller: states and events become notes, the desk says which go out, jobs deliver them.

Durable in the journal before anything is sent; the loop never waits for a delivery. Neighbours: alerts/ has the desk and the
words, loop.py calls `look` at the end of a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from tidegate.alerts.desk import Desk, Level, Parcel
from tidegate.alerts.letter import Kind, Letter, Note, advice
from tidegate.engine.figures import Stranger
from tidegate.engine.workers import Done, Workers
from tidegate.journal.journal import Journal
from tidegate.rollout.state import Candidate, Desired, EventKind, Hold, RouteState, Watch

Post = Callable[[str, Letter], None]
"""Sends a message to a target. Raises a TidegateError when it is not taken."""

CURSOR: Final = "alerts"
AT_ONCE: Final = 500
UNTOLD: Final = frozenset({Hold.MANUAL, Hold.QUEUED, Hold.COOLING})
"""Holds that a person has asked for, or that end by themselves."""
_NEWS: Final = {
    EventKind.PROMOTED: Kind.PROMOTED,
    EventKind.FAST_ROLLBACK: Kind.PROMOTED,
    EventKind.ROLLED_BACK: Kind.ROLLED_BACK,
}
_ENDS: Final = frozenset({*_NEWS, EventKind.SUPERSEDED})


class Alerting:
    """Called by the loop alone. `targets`: of tidegate.yaml, for policies that name none; `post` None tells nobody anything."""

    def __init__(
        self,
        journal: Journal,
        workers: Workers,
        post: Post | None,
        targets: tuple[str, ...],
        environment: str,
        now: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._workers = workers
        self._post = post
        self._targets = targets
        self._now = now
        stored = journal.cursor(CURSOR)
        self.desk = Desk.from_doc(stored["desk"], environment) if stored else Desk(environment)
        self._read_to = stored["events"] if stored else _newest(journal)
        self._told_events = -1
        self._sending: dict[str, Parcel] = {}

    def look(
        self,
        states: Mapping[str, RouteState],
        wishes: Mapping[str, Desired | None],
        events: int,
        strangers: Sequence[Stranger] = (),
    ) -> None:
        """Take in what happened and how things are, and send what may go out. `events` counts those of this process.

        `strangers`: answers that named another model than their release's.

        Raises what the journal raises: then nothing new is sent, and all of it is looked at again.
        """
        if self._post is None:
            return
        now = self._now()
        if events != self._told_events:
            self._read(wishes, now)
            self._told_events = events
        levels = (found for state in states.values() for found in self._levels(state, wishes.get(state.route), now))
        others = (self._of_stranger(one, wishes.get(one.route), now) for one in strangers)
        self.desk.look({**dict(levels), **dict(others)}, now)
        self._save()
        for parcel in self.desk.due(now, self._sending):
            self._send(parcel, self._post)

    def took(self, done: Done) -> bool:
        """Take in a delivery that ended. False when the job was none."""
        match done.key:
            case ("alert", str() as target):
                parcel = self._sending.pop(target)
            case _:
                return False
        if done.error is None:
            self.desk.delivered(parcel, self._now())
        return True

    def _send(self, parcel: Parcel, post: Post) -> None:
        if self._workers.submit(("alert", parcel.target), lambda: post(parcel.target, parcel.letter), slow=True):
            self._sending[parcel.target] = parcel

    def _save(self) -> None:
        if not self.desk.changed:
            return
        with self._journal.transaction() as transaction:
            transaction.put_cursor(CURSOR, {"events": self._read_to, "desk": self.desk.to_doc()})
        self.desk.changed = False

    def _read(self, wishes: Mapping[str, Desired | None], now: float) -> None:
        """The events since the last look: the journal has them all, also those of a controller that was killed."""
        while found := self._journal.events(after=self._read_to, limit=AT_ONCE):
            for event in found:
                kind = _NEWS.get(event["kind"])
                if event["kind"] in _ENDS:
                    self.desk.ended(event["route"], event["release"])
                if kind is not None:
                    wish = wishes.get(event["route"])
                    note = _note(kind, event, wish)
                    self.desk.happened(f"{event['route']}:releases", note, self._to(wish), now)
                self._read_to = event["id"]

    def _levels(self, state: RouteState, wish: Desired | None, now: float) -> Iterator[tuple[str, Level]]:
        """What lasts on this route and is worth telling."""
        candidate, watch, stable = state.candidate, state.watch, state.stable
        if candidate is not None and candidate.hold is not None and candidate.hold not in UNTOLD:
            note = _of_hold(state.route, candidate, wish)
            yield f"{state.route}:hold", Level(f"{candidate.release.id}:{candidate.hold}", note, self._to(wish))
        if watch is not None and watch.alerted:
            yield (
                f"{state.route}:watch",
                Level(watch.release.id, _of_watch(state.route, watch, wish, now), self._to(wish)),
            )
        if state.degraded is not None and stable is not None:
            facts = {"route": state.route, "release": stable.id, "version": stable.version, "commit": stable.commit}
            note = _note(Kind.DEGRADED, {**facts, "reason": state.degraded, "at": now}, wish)
            yield f"{state.route}:health", Level(stable.id, note, self._to(wish))

    def _of_stranger(self, one: Stranger, wish: Desired | None, now: float) -> tuple[str, Level]:
        facts = {"route": one.route, "release": one.release, "version": one.version, "commit": one.commit}
        note = _note(Kind.WRONG_MODEL, {**facts, "reason": one.sentence, "at": now}, wish)
        return f"{one.route}:identity:{one.release}", Level(f"{one.release}:{one.served}", note, self._to(wish))

    def _to(self, wish: Desired | None) -> tuple[str, ...]:
        return wish.policy.notify if wish is not None and wish.policy.notify else self._targets


def _newest(journal: Journal) -> int:
    """The last event that is there: who begins to tell does not tell the past."""
    found = journal.events(limit=1)
    return int(found[-1]["id"]) if found else 0


def _note(kind: Kind, facts: Mapping[str, Any], wish: Desired | None, hold: str | None = None) -> Note:
    route, version = facts["route"], facts["version"]
    owners = wish.owners if wish is not None else ()
    return Note(
        kind, route, facts["release"], version, facts["commit"], owners, facts["reason"],
        advice(kind, route, version, hold), facts["at"],
    )  # fmt: skip


def _of_hold(route: str, candidate: Candidate, wish: Desired | None) -> Note:
    release = candidate.release
    facts = {"route": route, "release": release.id, "version": release.version, "commit": candidate.touched}
    return _note(
        Kind.HELD, {**facts, "reason": candidate.hold_reason, "at": candidate.hold_since}, wish, candidate.hold
    )


def _of_watch(route: str, watch: Watch, wish: Desired | None, now: float) -> Note:
    release, said = watch.release, watch.verdict
    facts = {"route": route, "release": release.id, "version": release.version, "commit": watch.touched}
    sentence = said.sentence if said is not None else "its guardrails fail after its promotion"
    return _note(Kind.BREACHED, {**facts, "reason": f"after its promotion: {sentence}", "at": now}, wish)
