"""What is missing in the prediction record, noticed and told: a gateway that was killed, lines that were never written, gaps.

Journaled together with the cursor, so that nothing is told twice or forgotten. Neighbours: steering.py asks Envoy for its own
count, evidence.py reads lines, loop.py compares them each second, `tidegate status` and `audit` show what was found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tidegate.engine.evidence import Evidence
from tidegate.engine.steering import Steering
from tidegate.gateway.supervisor import Ended
from tidegate.journal.journal import Transaction

log = logging.getLogger(__name__)

GATEWAY = "gateway"
"""The journal's cursor that says which Envoy was seen last."""
EVERY = 1.0
SELDOM = 50
"""How much longer than an answer took nobody asks again: with thousands of clusters Envoy needs a tenth of a second for it."""
SHOWN = 5


class Losses:
    """Called by the loop alone: `ask` before the record is read, `compare` after it.

    `known`: what the journal has, oldest first; `seen`: which Envoy was seen last. `now`: epoch seconds; `clock`:
    seconds that only go forward.
    """

    def __init__(
        self,
        steering: Steering,
        evidence: Evidence,
        known: Sequence[Mapping[str, Any]],
        seen: Mapping[str, Any] | None,
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._steering = steering
        self._evidence = evidence
        self._known = [dict(one) for one in known][-SHOWN:]
        self._seen: tuple[int, int] | None = (seen["pid"], seen["started"]) if seen else None
        self._now = now
        self._clock = clock
        self._cursor = evidence.cursor
        self._next = 0.0
        self._asked: Ended | None = None
        self._before: tuple[float, Ended] | None = None
        self._rate: float | None = None
        self._owed: int | None = None
        self._new: list[dict[str, Any]] = []
        self._seen_saved = self._seen

    def ask(self) -> None:
        """Ask Envoy how many answers it has given, now and then."""
        self._asked = None
        if self._clock() >= self._next:
            began = self._clock()
            self._asked = self._steering.ended()
            self._next = self._clock() + max(EVERY, SELDOM * (self._clock() - began))

    def compare(self, *, caught_up: bool) -> None:
        """The record was read, `caught_up` to its end."""
        cursor, before = self._evidence.cursor, self._cursor
        self._cursor = cursor
        if cursor.malformed > before.malformed:
            number = cursor.malformed - before.malformed
            self._lost("malformed", number, None, f"{number} lines could not be read")
        if cursor.losses > before.losses:
            self._lost(
                "gap", None, self._evidence.read_to, "lines were gone before they were read: a file was cut or removed"
            )
        if self._asked is not None:
            self._count(self._asked, caught_up)

    def _count(self, ended: Ended, caught_up: bool) -> None:
        """Envoy's count grows by one with each line that it owes. Where both stand still, they must agree."""
        who, at = (ended.pid, ended.started), self._clock()
        if who != self._seen:
            if self._seen is not None and ended.epoch == 0 and not self._steering.told_to_end(self._seen[0]):
                self._killed()
            self._seen, self._before, self._owed, self._rate = who, None, None, None
        last, self._before = self._before, (at, ended)
        if last is None or at <= last[0]:
            return
        self._rate = (ended.requests - last[1].requests) / (at - last[0])
        if ended.requests != last[1].requests or not caught_up:
            return
        owed = ended.requests - self._evidence.lines - self._evidence.cursor.malformed
        if self._owed is not None and owed > self._owed:
            number = owed - self._owed
            self._lost(
                "unwritten",
                number,
                None,
                f"{number} answers have no line: Envoy could not write them, or they were removed",
            )
        self._owed = owed

    def _killed(self) -> None:
        """What it answered after the last line on record is lost: at most as many as came in that time at its last rate."""
        since, now = self._evidence.read_to, self._now()
        text = "the gateway ended without having been asked to; what it had not written yet is lost"
        if self._rate is None or since is None:
            self._lost("gateway", None, since, f"{text}: it is not known how many answers")
            return
        number = round(self._rate * (now - since))
        self._lost("gateway", number, since, f"{text}: at most about {number} answers, those after {_clock(since)}")

    def _lost(self, kind: str, lines: int | None, since: float | None, text: str) -> None:
        now = self._now()
        self._new.append({"at": now, "kind": kind, "lines": lines, "from": since, "to": now, "text": text})
        log.warning("the record: %s", text)

    @property
    def pending(self) -> bool:
        """Whether there is something that the journal does not know."""
        return bool(self._new) or self._seen != self._seen_saved

    def put(self, transaction: Transaction) -> None:
        """Write down what is new."""
        if self._new:
            transaction.add_losses(self._new)
        if self._seen is not None and self._seen != self._seen_saved:
            transaction.put_cursor(GATEWAY, {"pid": self._seen[0], "started": self._seen[1]})

    def saved(self) -> None:
        """It is on disk."""
        self._known = [*self._known, *self._new][-SHOWN:]
        self._new = []
        self._seen_saved = self._seen

    def newest(self) -> list[dict[str, Any]]:
        """The newest few, oldest first."""
        return [*self._known, *self._new][-SHOWN:]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3] + "Z"
