"""Which of several controllers on one journal acts: who holds the lease, a row that it renews and that others watch.

A process that ended lets go at once (lock.py tells). One that hangs loses the lease when nobody has seen it renewed for TTL.
Neighbours: journal.py asks it in every transaction, the engine before it acts. Reasons: docs/design/simulation.md.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from tidegate.spec.errors import RetryLater

TTL = 15.0
"""Seconds for which the lease holds after it was renewed, by the holder's clock and by that of whoever watches."""
RENEW = 3.0
LOOK = 1.0
"""Seconds between two looks of a controller that watches."""


class LeaseHeld(RetryLater):
    """Another controller acts; this one has to watch, and to try again."""


class LeaseLost(RetryLater):
    """Another controller acts since a while that this one was away: it must not do anything more."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The row: who acts, for people; `epoch` grows with each holder, `beat` with each renewal; `since` in epoch seconds.

    `locked`: whether it has the file's lock, so that whoever gets that one knows it to be dead. `owner` "": nobody acts.
    """

    owner: str
    epoch: int
    beat: int
    locked: bool
    since: float


def read_holder(connection: Connection) -> Holder | None:
    """The row as it is; None in a journal that nobody has held yet."""
    text = connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'lease'").scalar()
    return Holder(**json.loads(text)) if text else None


def held_by(holder: Holder) -> LeaseHeld:
    """What to tell while somebody else acts."""
    return LeaseHeld(f"another controller acts ({holder.owner}); this one watches", delay=LOOK)


def this_process() -> str:
    """How this controller is named to people."""
    return f"process {os.getpid()} on {socket.gethostname()}"


class Patience:
    """Watches somebody else's lease from one attempt to the next. `clock`: seconds that only go forward."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: Holder | None = None
        self._since = 0.0

    def over(self, holder: Holder) -> bool:
        """Whether this holder has not renewed for TTL, as seen from here: no comparison of two clocks."""
        if holder != self._seen:  # all of it: another journal in this place counts its epochs anew
            self._seen, self._since = holder, self._clock()
        return self._clock() - self._since > TTL


class Lease:
    """One controller's side of it. Thread-safe. `clock`: seconds that only go forward, time asleep included."""

    def __init__(self, clock: Callable[[], float], name: str) -> None:
        self._clock = clock
        self._name = name
        self._guard = threading.Lock()
        self._mine: Holder | None = None
        self._renewed = float("-inf")

    def take(self, connection: Connection, patience: Patience, *, locked: bool, now: float) -> None:
        """Become the one who acts, in the transaction that is open. Raises LeaseHeld while another does."""
        began = self._clock()
        there = read_holder(connection)
        dead = there is not None and (not there.owner or (locked and there.locked))
        if there is not None and not dead and not patience.over(there):
            raise held_by(there)
        mine = Holder(self._name, there.epoch + 1 if there else 1, 0, locked, now)
        _put(connection, mine)
        with self._guard:
            self._mine, self._renewed = mine, began

    def check(self, connection: Connection, *, locked: bool) -> Callable[[], None]:
        """Nothing is written by who has lost the lease, in the transaction that is open; and it is renewed when that is due.

        Call what it gives once the transaction is on disk. Raises LeaseLost.
        """
        began = self._clock()
        with self._guard:
            mine = self._mine
        there = read_holder(connection)
        if mine is None or there is None or there.epoch != mine.epoch:
            raise self._lost(there)
        if not self.due and locked == mine.locked:
            return lambda: None
        renewed = Holder(mine.owner, mine.epoch, there.beat + 1, locked, mine.since)
        _put(connection, renewed)

        def done() -> None:
            with self._guard:
                self._mine, self._renewed = renewed, max(self._renewed, began)

        return done

    def still_ours(self, connection: Connection) -> None:
        """Where nothing can be written, and so nobody else could take it either, what stands there counts. Raises LeaseLost."""
        there = read_holder(connection)
        with self._guard:
            mine = self._mine
        if mine is None or there is None or there.epoch != mine.epoch:
            raise self._lost(there)

    def release(self, connection: Connection) -> None:
        """Let another one act at once, in the transaction that is open."""
        there = read_holder(connection)
        with self._guard:
            mine, self._mine = self._mine, None
        if mine is not None and there is not None and there.epoch == mine.epoch:
            _put(connection, Holder("", there.epoch, there.beat + 1, False, there.since))

    @property
    def mine(self) -> Holder | None:
        """The row as this controller wrote it last; None when it holds nothing."""
        with self._guard:
            return self._mine

    @property
    def due(self) -> bool:
        """Whether it is time to renew."""
        return self._clock() - self._renewed >= RENEW

    @property
    def holds(self) -> bool:
        """Whether nobody else can have taken it yet, by this host's clock alone."""
        return self._mine is not None and self._clock() - self._renewed < TTL

    def _lost(self, there: Holder | None) -> LeaseLost:
        who = there.owner if there is not None and there.owner else "nobody just now"
        return LeaseLost(f"this controller was away, and another one acts since then ({who})", delay=LOOK)


def _put(connection: Connection, holder: Holder) -> None:
    statement = "INSERT OR REPLACE INTO meta (key, value) VALUES ('lease', ?)"
    connection.exec_driver_sql(statement, (json.dumps(asdict(holder)),))
