"""Brings the answers of a release in production and of its shadow together by request id, and counts which agree.

What is missing its other half never counts as agreement. Neighbours: gateway/mirror.py keeps the answers, analysis/agreement.py
compares two, rollout/evidence.py goes by the windows of pairs, disagreements.py keeps what people may read.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from tidegate.analysis.agreement import Answer, Opinion, UnreadableError, compare, suited
from tidegate.analysis.latency import histogram
from tidegate.analysis.model import Arm
from tidegate.analysis.outcomes import is_error
from tidegate.engine.disagreements import Report
from tidegate.engine.figures import Declarations
from tidegate.gateway.record import Cursor, RecordReader
from tidegate.gateway.supervisor import Gateway
from tidegate.rollout.state import Candidate, Pairs, RouteState
from tidegate.rollout.traffic import WHOLE, Traffic
from tidegate.spec.comparison import Comparison
from tidegate.spec.errors import RetryLater
from tidegate.spec.model import Model

WAIT: Final = 90.0
"""Seconds that an answer waits for its other half, at least."""
LATE: Final = 30.0
"""Seconds that it waits beyond the longest that an answer may take: it is written a while after it was given."""
HELD: Final = 64 * 1024 * 1024
"""Bytes of answers that wait; beyond it the oldest wait no longer."""
LINES_A_PASS: Final = 1000
FILE_BYTES: Final = 64 * 1024 * 1024
"""A file of answers beyond this size, once read, is begun anew."""


READ: Final = "read"
"""The file, beside the reports, that says how far the answers were read."""
CHUNK: Final = 1024 * 1024

log = logging.getLogger(__name__)


class Shadowing:
    """All routes that mirror. Called by the loop alone. `folder`: where reports go; None: this gateway cannot mirror.

    Reads from where the file of answers ends when the controller starts: what came before is compared with nobody, and
    counted. `declarations`: what the answers' tokens cost.
    """

    def __init__(
        self, gateway: Gateway, folder: Path | None, now: Callable[[], float], declarations: Declarations
    ) -> None:
        self._declarations = declarations
        self._gateway = gateway
        self._folder = folder
        self._now = now
        self._reader = RecordReader(gateway.answers) if folder is not None else None
        self._cursor = self._reader.end() if self._reader is not None else Cursor()
        self._passed_over = _lines(self._reader.files(), self._noted()) if self._reader is not None else 0
        self._noted_at = float("-inf")
        self._left_out: dict[str, int] = {}
        self._routes: dict[str, Comparing] = {}
        if self._passed_over:
            log.info(
                "%d mirrored answers came while no controller ran: they are compared with nobody", self._passed_over
            )

    @property
    def able(self) -> bool:
        """Whether requests can be copied at all."""
        return self._reader is not None

    @property
    def uncompared(self) -> int:
        """Answers that came while no controller read them: passed over at the start, or not kept by the gateway at all."""
        return self._passed_over + sum(self._left_out.values())

    def read(self) -> None:
        """Take in the answers that are new. Raises RetryLater when they cannot be read."""
        if self._reader is None:
            return
        try:
            lines, self._cursor = self._reader.read(self._cursor, LINES_A_PASS)
            for line in lines:
                if line.get("left_out"):
                    self._left_out[str(line.get("keeper"))] = int(line["left_out"])
                known = self._routes.get(str(line.get("route")))
                if known is not None:
                    known.take(line, self._now())
            if lines:
                self._note()
            if len(lines) < LINES_A_PASS:
                self._keep_short(self._reader)
        except OSError as error:
            raise RetryLater(f"the mirrored answers cannot be read: {error}", where=str(self._reader.path)) from error

    def _noted(self) -> tuple[int, int]:
        """The file, by inode, and the offset up to which the controller before this one has read."""
        try:
            inode, offset = ((self._folder or Path()) / READ).read_text().split()
        except (FileNotFoundError, ValueError):
            return 0, 0
        return int(inode), int(offset)

    def _note(self) -> None:
        """Keep how far was read, once a second: what comes after it is counted at the next start."""
        if self._folder is None or 0 <= self._now() - self._noted_at < 1.0:
            return
        self._noted_at = self._now()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._folder / f"{READ}.new"
        fresh.write_text(f"{self._cursor.inode} {self._cursor.offset}")
        fresh.replace(self._folder / READ)

    def _keep_short(self, reader: RecordReader) -> None:
        """Nothing that was read stays: answers are not kept longer than they are compared."""
        for old in reader.files():
            if old != reader.path and old.stat().st_ino != self._cursor.inode:
                old.unlink()
        if reader.path.exists() and reader.path.stat().st_size > (FILE_BYTES if self._routes else 0):
            self._gateway.rotate_answers()

    def follow(self, state: RouteState, split: Traffic, model: Model | None, longest: float = 0.0) -> None:
        """Compare for this route while it mirrors; what is counted is of one step of one candidate.

        `longest`: seconds that an answer may take.
        """
        candidate, stable = state.candidate, state.stable
        if self._folder is None or not split.mirror or candidate is None or stable is None or model is None:
            self._routes.pop(state.route, None)
            return
        trial = _name(candidate)
        known = self._routes.get(state.route)
        if known is None or known.trial != trial:
            share, now = split.mirror / WHOLE, self._now()
            report = Report(self._folder, state.route, stable, candidate.release, share, now, self._declarations)
            ways = suited(model.comparison, model.protocol)
            self._routes[state.route] = Comparing(
                trial, ways, report, candidate.policy.batch, now, wait=max(WAIT, longest + LATE)
            )

    def restorer(self, route: str) -> Callable[[], None]:
        """Takes up again what is compared for this route now: for a decision that turns out not to hold."""
        known = self._routes.get(route)

        def restore() -> None:
            self._routes.pop(route, None)
            if known is not None:
                self._routes[route] = known

        return restore

    def closed(self, route: str) -> tuple[Pairs, ...]:
        """The windows of this route that are over."""
        known = self._routes.get(route)
        return known.close(self._now()) if known is not None else ()

    def shift(self, by: float) -> None:
        """The wall clock was set back (`by` negative, seconds)."""
        for known in self._routes.values():
            known.shift(by)

    def renamed(self, before: RouteState, after: RouteState) -> None:
        """A state was moved along with the clock: its step has another name, and is the same."""
        old, new, known = before.candidate, after.candidate, self._routes.get(after.route)
        if known is not None and old is not None and new is not None and known.trial == _name(old):
            known.trial = _name(new)

    def forget(self, route: str) -> None:
        """The route is no more."""
        self._routes.pop(route, None)


class Half:
    """How one arm answered the requests of a window that both have answered."""

    def __init__(self) -> None:
        self.requests = self.errors = 0
        self.times: list[float] = []
        self._scores: dict[str, list[float]] = {}

    def add(self, line: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """One answer, and what it says of itself."""
        self.requests += 1
        self.errors += is_error(line)
        taken = line.get("duration_ms")
        if isinstance(taken, int | float) and taken >= 0:
            self.times.append(float(taken))
        for name, value in figures.items():
            self._scores.setdefault(name, []).append(value)

    def arm(self) -> Arm:
        """All of them, for the analysis."""
        scores = {name: tuple(values) for name, values in self._scores.items()}
        return Arm(self.requests, self.errors, histogram(self.times), scores)


class Comparing:
    """One shadow step of one route. `trial` names it; `length` of a window in seconds, `opened` in epoch seconds.

    `wait`: seconds that an answer waits for its other half.
    """

    def __init__(
        self,
        trial: str,
        ways: tuple[Comparison, ...],
        report: Report,
        length: float,
        opened: float,
        wait: float = WAIT,
    ) -> None:
        self.trial = trial
        self._ways = ways
        self._report = report
        self._length = length
        self._opened = opened
        self._wait = wait
        self._pairs = self._agreed = 0
        self._halves = (Half(), Half())
        self._told_missing = 0
        self._apart = 0.0  # the longest that the halves of a pair were apart, in seconds
        self._waiting: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._held = 0

    def take(self, line: Mapping[str, Any], now: float) -> None:
        """One answer. Those of other releases, and of requests that the candidate answered itself, are none of ours."""
        shadow = line.get("role") == "shadow"
        if line.get("release") != (self._report.shadow.id if shadow else self._report.stable.id):
            return
        request = str(line.get("request_id"))
        other = self._waiting.get(request)
        if other is None:
            self._waiting[request] = (now, line)
            self._held += _size(line)
        elif (other[1].get("role") == "shadow") != shadow:
            del self._waiting[request]
            self._held -= _size(other[1])
            self._apart = max(self._apart, now - other[0])
            self._compare(*((other[1], line) if shadow else (line, other[1])))
        self._give_up(now)

    def _give_up(self, now: float) -> None:
        """The oldest stand first: those that have waited too long, and those for which there is no room."""
        while self._waiting:
            request, (since, line) = next(iter(self._waiting.items()))
            if now - since < self._wait and self._held <= HELD:
                return
            del self._waiting[request]
            self._held -= _size(line)
            self._report.alone(shadow=line.get("role") == "shadow")

    def _compare(self, stable: Mapping[str, Any], shadow: Mapping[str, Any]) -> None:
        said = [self._report.figures(line) for line in (stable, shadow)]
        self._report.seen(stable, shadow, *said)
        for half, line, figures in zip(self._halves, (stable, shadow), said, strict=True):
            half.add(line, figures)
        if is_error(stable):  # there is nothing to agree with
            self._report.failed += 1
            return
        one, other = _answer(stable), _answer(shadow)
        try:
            opinion = (
                Opinion(False, "the shadow did not answer") if other.status == 0 else compare(self._ways, one, other)
            )
        except UnreadableError as error:
            self._report.unread(str(error))
            return
        self._pairs += 1
        self._agreed += opinion.agree
        self._report.pair(opinion, stable, shadow, (one, other), self._ways[0])

    def shift(self, by: float) -> None:
        """The wall clock was set back (`by` negative, seconds)."""
        self._opened += by
        self._waiting = {request: (since + by, line) for request, (since, line) in self._waiting.items()}

    def close(self, now: float) -> tuple[Pairs, ...]:
        """The running window, when it is over; the report is written with it."""
        self._give_up(now)
        if now - self._opened < self._length:
            return ()
        missing = self._report.lost(self._overdue(now))
        arms = (half.arm() for half in self._halves)
        began = max(self._opened, now - 2 * self._length)  # a process that stood still meanwhile has compared nothing
        window = Pairs(began, now, self._pairs, self._agreed, missing - self._told_missing, *arms)
        self._opened, self._pairs, self._agreed = now, 0, 0
        self._halves, self._told_missing = (Half(), Half()), missing
        try:
            self._report.save(now)
        except (
            OSError
        ) as error:  # a full disk costs the report of this window, not the rollout: the next one is written whole
            log.warning("the report on mirrored answers cannot be written: %s", error)
        return (window,) if window.missing or window.shadow.requests else ()

    def _overdue(self, now: float) -> int:
        """Answers of the stable release that have waited for a shadow's longer than any that came, twice over."""
        patience = max(self._length, 2 * self._apart)
        waiting = takewhile(lambda half: now - half[0] >= patience, self._waiting.values())
        return sum(line.get("role") != "shadow" for _, line in waiting)


def _name(candidate: Candidate) -> str:
    """The present step of this candidate."""
    return f"{candidate.release.digest}:{candidate.step_started_at}"


def _lines(files: Iterable[Path], read: tuple[int, int]) -> int:
    """How many lines these files, oldest first, have after `read`: an inode and an offset. Raises OSError."""
    found = 0
    for path in files:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_ino == read[0] and stat.st_size >= read[1]:
                file.seek(read[1])
                found = 0  # what is older was read too
            while chunk := file.read(CHUNK):
                found += chunk.count(b"\n")
    return found


def _size(line: Mapping[str, Any]) -> int:
    return len(line.get("body") or "") + 500


def _answer(line: Mapping[str, Any]) -> Answer:
    body = base64.b64decode(line.get("body") or "")
    size, status = line.get("size"), line.get("status")
    return Answer(
        status=status if isinstance(status, int) else 0,
        body=body,
        size=int(size) if isinstance(size, int | float) else len(body),
        type=str(line.get("type") or ""),
        encoding=str(line.get("encoding") or ""),
    )
