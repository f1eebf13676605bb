"""The reconcile loop: one pass after the other, each the same ordered list of concerns; the world decides, hints only wake.

Read (git, runtime, record), decide (rollout/, pure), make durable (journal), then act: weights first, the rest after.
Neighbours: build.py puts a controller together, `tidegate run` runs it. STYLE habits 1 to 4.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from typing import Any

from tidegate.engine.alerting import Alerting
from tidegate.engine.archiving import KEY as ARCHIVE
from tidegate.engine.archiving import Archiving
from tidegate.engine.duties import Duties, Outcome
from tidegate.engine.evidence import Evidence
from tidegate.engine.fleet import Fleet, Need
from tidegate.engine.hints import Hint, Hints
from tidegate.engine.journaling import Journaling
from tidegate.engine.losses import Losses
from tidegate.engine.needs import Needs
from tidegate.engine.resting import Resting
from tidegate.engine.retention import Retention
from tidegate.engine.routes import Routes
from tidegate.engine.source import Remembered, Snapshot, Source
from tidegate.engine.sources import Sources
from tidegate.engine.steering import Steering
from tidegate.engine.validation import Validation
from tidegate.engine.workers import Done, Workers
from tidegate.journal.journal import Journal
from tidegate.journal.lease import LeaseLost
from tidegate.rollout.machine import advance, fulfilled
from tidegate.rollout.queue import Turns
from tidegate.rollout.shift import shifted
from tidegate.rollout.state import Readiness, RouteState, Seen
from tidegate.rollout.traffic import Traffic, traffic
from tidegate.spec.controller import RolloutSettings
from tidegate.spec.errors import InternalError, NeedsPerson, TidegateError
from tidegate.spec.model import Model
from tidegate.spec.release import split_route

log = logging.getLogger(__name__)

FIRST_TICK = 0.01
FIRST_RETRY = 0.25
FAST_TICK = 0.1
SLOW_TICK = 1.0
OBSERVE_EVERY = 1.0
ROTATE_EVERY = 10  # passes
FORGET_EVERY = 1000  # passes
LONGEST_WAIT = 5.0
SET_BACK = 2.0
"""Seconds by which a wall clock goes back in one pass only when somebody sets it: it is slewed otherwise."""


class Controller:
    """All parts of one running controller. `tick` is one pass; only one thread calls it."""

    def __init__(
        self,
        *,
        journal: Journal,
        source: Source,
        needs: Needs,
        fleet: Fleet,
        evidence: Evidence,
        sources: Sources,
        steering: Steering,
        duties: Duties,
        validation: Validation,
        workers: Workers,
        hints: Hints,
        routes: Routes,
        retention: Retention,
        losses: Losses,
        archiving: Archiving | None,
        alerting: Alerting,
        poll: float,
        rollouts: RolloutSettings,
        now: Callable[[], float],
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.journal = journal
        self.source = source
        self.needs = needs
        self.fleet = fleet
        self.evidence = evidence
        self.sources = sources
        self.steering = steering
        self.duties = duties
        self.validation = validation
        self.workers = workers
        self.hints = hints
        self.routes = routes
        self._retention = retention
        self.losses = losses
        self.archiving = archiving
        self.alerting = alerting
        self.snapshot = Snapshot()
        self.problems: dict[str, TidegateError] = {}
        self.readiness: Mapping[str, Readiness] = {}
        self.traffic: dict[str, Traffic] = {}
        self.ticks = 0
        self.events = 0
        self._remembered: Remembered | None = None
        self._poll = poll
        self._rollouts = rollouts
        self._now = now
        self._clock = clock
        self._rng = rng
        self._next_fetch = 0.0
        self._next_observe = 0.0
        self._awake_since = now()
        self._looks_since = self._last_pass = clock()
        self._offset = now() - clock()
        self._known = False
        self._unread: list[tuple[float, Outcome]] = []
        self._journaling = Journaling(journal, routes.states)
        self._resting = Resting()

    # -- one pass --------------------------------------------------------------------------------------------------

    def tick(self, hints: set[Hint]) -> float:
        """One pass over everything. Returns how many seconds the loop may sleep when no hint wakes it.

        Raises LeaseLost when another controller acts by now: nothing more must be done.
        """
        self.ticks += 1
        self.journal.hold()
        self._notice_absence()
        self._notice_clock()
        for done in self.workers.take():
            self._took(done)
        self._look_at_git(hints)
        self._look_at_runtime(hints)
        if not self._taken_over():
            return FIRST_TICK
        source_up, more = self._read_record()
        batches = self._decide(source_up, caught_up=not more)
        durable = self._save(batches)
        self.journal.hold()
        self._steer()
        self.journal.hold()
        self._reconcile(may_stop=durable and self.steering.settled)
        self.sources.submit(self.evidence.arrivals)
        if durable:
            self.duties.submit(self.routes.states, self.workers, {outcome.duty for _, outcome in self._unread})
            if self.snapshot.commit is not None and self._retention.due(self._clock()):
                self._retention.submit(self.routes.states, self.routes.wishes(self.snapshot), self.workers)
            if self.archiving is not None and self.archiving.due(self._clock()):
                self.archiving.submit(self.workers)
            self._alert()
        if more:
            return 0.0
        return FAST_TICK if self._in_motion() else SLOW_TICK

    def _notice_absence(self) -> None:
        """After a sleep (a suspended host, a stopped process) what was known of servers is as old as before a start."""
        last, self._last_pass = self._last_pass, self._clock()
        if self._last_pass - last > LONGEST_WAIT:
            log.info("was away for %.0f s: the servers are asked anew", self._last_pass - last)
            self._known, self._looks_since, self._awake_since = False, self._last_pass, self._now()
            self._next_observe = self._next_fetch = 0.0
            self.fleet.doubt()

    def _notice_clock(self) -> None:
        """Where the wall clock was set back, the moments of all rollouts move along: else every timer stands still so long."""
        offset, self._offset = self._offset, self._now() - self._clock()
        by = self._offset - offset
        if by > -SET_BACK:
            return
        log.warning("the clock was set back by %.0f s: the rollouts under way go on all the same", -by)
        self.evidence.shift(by)
        self.sources.shift(by)
        self.steering.shift(by)
        for route, state in self.routes.states.items():
            self.routes.states[route] = shifted(state, by)
        self._awake_since += by
        self._journaling.changed(*self.routes.states)

    def _taken_over(self) -> bool:
        """Whether it is known how ready the servers are that ran before this controller. Until then nothing is moved:

        a server that was not asked yet is no server that is down.
        """
        if self._known:
            return True
        if self.ticks == 1:
            states = self.routes.states.values()
            self.fleet.take_over(state.stable.workload for state in states if state.stable is not None)
        if not self.fleet.observed:
            return False
        self._reconcile(may_stop=False)
        self._known = not self.fleet.undecided() or self._clock() - self._looks_since > LONGEST_WAIT
        return self._known

    def _alert(self) -> None:
        """Tell people what there is to tell, once git says whom."""
        if self.snapshot.commit is None:
            return
        try:
            self.alerting.look(self.routes.states, self.routes.wishes(self.snapshot), self.events)
        except LeaseLost:
            raise
        except TidegateError as error:
            self._note("alerts", error)
        else:
            self._note("alerts", None)

    def _in_motion(self) -> bool:
        return not self.steering.settled or any(
            state.candidate or state.duties or state.degraded for state in self.routes.states.values()
        )

    def _took(self, done: Done) -> None:
        if self.fleet.took(done):
            match done.key:
                case ("start", *_) | ("stop", *_):
                    self._next_observe = 0.0
                case ("observe",):
                    self._note("runtime", done.error)
                    self.workers.forget(done.key)  # a look costs little, and an engine may be back at any time
            return
        if self._retention.took(done):
            return
        if self.archiving is not None and done.key == ARCHIVE:
            self._note("record", self.archiving.took(done))
            return
        if self.validation.took(done) or self.sources.took(done, self.evidence.arrivals):
            return
        if self.alerting.took(done):
            self._note(f"alerts to {done.key[1]}", done.error)  # type: ignore[index]  # its keys are pairs
            return
        outcomes = self.duties.took(done)
        if outcomes is not None:
            for outcome in outcomes:
                if outcome.changed_git:
                    self._unread.append((self._clock(), outcome))
                    self._next_fetch = 0.0
                elif outcome.fulfilled:
                    self._fulfil(outcome)
            return
        match done.key:
            case ("look",):
                self._note("git", done.error)
                if done.error is None:
                    self.duties.hurry(self.workers, self.routes.states)
                    self._understood(*done.value)
                else:
                    self._look_again(done)

    def _look_again(self, done: Done) -> None:
        """After a failure sooner than the poll interval, and never later: a person mends a remote at any time."""
        self.workers.hurry(("look",))
        pause = min(self._poll, FIRST_RETRY * 2 ** min(done.attempts, 10))
        self._next_fetch = self._clock() + pause * self._rng.uniform(0.8, 1.2)

    def _fulfil(self, outcome: Outcome) -> None:
        """The duty is off the route's state."""
        state = self.routes.states.get(outcome.route)
        if state is not None:
            self.routes.states[outcome.route] = fulfilled(state, outcome.duty)
            self._journaling.changed(outcome.route)

    def _note(self, key: str, error: TidegateError | None) -> None:
        """Keep what is wrong for the status; say it in the log once, and when it is over."""
        before = self.problems.pop(key, None)
        if error is not None:
            self.problems[key] = error
            if before is None or before.message != error.message:
                log.warning("%s: %s", key, error, exc_info=error if isinstance(error, InternalError) else None)
        elif before is not None:
            log.info("%s: well again", key)

    # -- looking ---------------------------------------------------------------------------------------------------

    def _look_at_git(self, hints: set[Hint]) -> None:
        now = self._clock()
        if Hint.GIT in hints:
            self.workers.forget(("look",))
            self._next_fetch = 0.0
        known = frozenset(self.routes.states)
        if now >= self._next_fetch and self.workers.submit(("look",), lambda: self._look(known)):
            self._next_fetch = now + self._poll * self._rng.uniform(0.8, 1.2)

    def _look(self, known: frozenset[str]) -> tuple[float, Snapshot, Remembered]:
        began = self._clock()
        snapshot = self.source.look()
        return began, snapshot, self._remembered or self.source.remembered(known)

    def _understood(self, began: float, snapshot: Snapshot, remembered: Remembered) -> None:
        self._remembered = remembered
        # A revert stays owed until git was read after it: else what it took back would seem to be asked for once more.
        for _, outcome in [known for known in self._unread if known[0] <= began]:
            self._fulfil(outcome)
        self._unread = [known for known in self._unread if known[0] > began]
        if snapshot.commit is None:
            self._note(
                "branch",
                NeedsPerson(
                    "the branch has no commit, so nothing is asked for; what runs goes on",
                    fix="push a first commit, or correct `branch` in tidegate.yaml",
                ),
            )
            return
        self._note("branch", None)
        if snapshot.commit != self.snapshot.commit:
            log.info("at %s: %s", snapshot.commit[:12], snapshot.subject)
            for finding in snapshot.findings:
                if finding.severity == "error":
                    log.warning("%s:%s:%s: %s", finding.path, finding.line, finding.column, finding.message)
        self.snapshot = snapshot
        self.needs.saw(snapshot)
        self.sources.saw(snapshot.desired)

    def _look_at_runtime(self, hints: set[Hint]) -> None:
        now = self._clock()
        if Hint.RUNTIME in hints:
            self._next_observe = 0.0
        if now >= self._next_observe and self.fleet.look():
            self._next_observe = now + OBSERVE_EVERY * self._rng.uniform(0.8, 1.2)

    def _read_record(self) -> tuple[bool, bool]:
        """Whether the record could be read, and whether there is more of it at once."""
        try:
            self.steering.check()
            self.losses.ask()
            more = self.evidence.read()
            self.losses.compare(caught_up=not more)
            if self.ticks % ROTATE_EVERY == 0:
                self.steering.keep_record_short(self._now())
        except TidegateError as error:
            self._note("gateway", error)
            return False, False
        self._note("gateway", None)
        return True, more

    # -- deciding --------------------------------------------------------------------------------------------------

    def _decide(self, source_up: bool, caught_up: bool) -> bool:
        """Advance every route. True when batches were taken in, which the journal has to know."""
        self.readiness = self.fleet.readiness()
        why = self.fleet.why()
        if self.snapshot.commit is not None:
            new = self.routes.begin(self.snapshot, self._remembered or Remembered())
            self._journaling.changed(*new, *(split_route(route)[0] for route in new))
            self._note_lost()
        wishes = self.routes.wishes(self.snapshot)
        gone = self.routes.gone(self.snapshot)
        turns = Turns(self.routes.states, self._rollouts.at_once)
        replicas = self.fleet.replicas()
        now = self._now()
        models = self.snapshot.models()
        absorbed = False
        self._journaling.begin()
        for route, state in list(self.routes.states.items()):
            if self._resting.rests(state, wishes[route], self.readiness, now):
                continue
            batches = self._journaling.unused(route) + self.evidence.closed(route)
            absorbed = absorbed or bool(batches)
            answer = self.validation.answers(state)
            seen = Seen(
                desired=self.source.as_turned_down(wishes[route], state.rejected),
                ready=self.readiness,
                why=why,
                batches=batches,
                open=self.evidence.open(route),
                source_up=source_up,
                validation=answer.judged,
                unproven=answer.unproven,
                read_to=None if caught_up else self.evidence.read_to,
                awake_since=self._awake_since,
                gone=route in gone,
                replicas=replicas,
                queued=turns.why_not(route),
                cool_down=self._rollouts.cool_down,
                live_since=self._live_since(state, traffic(state, self.readiness), models, now),
                troubles=self.sources.troubles(route),
            )
            try:
                step = advance(state, seen, now)
            except Exception as error:  # noqa: BLE001 a defect in one route's story must not stop the others
                self._note(f"state of {route}", _defect(error))
                self.traffic.setdefault(route, traffic(state, self.readiness))
                continue
            self._note(f"state of {route}", None)
            self.routes.states[route] = step.state
            self._resting.passed(state, step.state, wishes[route], self.readiness)
            turns.note(route, step.state)
            forward = self._journaling.decided(route, state, batches, step)
            for event in () if forward and "journal" in self.problems else step.events:
                log.info("%s: %s %s: %s", event.route, event.kind, event.version, event.reason)
            self.traffic[route] = traffic(step.state, self.readiness)
            self.evidence.follow(step.state, self.traffic[route], random=_random(models, route))
            self.sources.follow(step.state)
        for route in self.routes.end(self.snapshot):
            self._journaling.dropped(route)
            self._journaling.changed(split_route(route)[0])
            self._end(route)
        return absorbed

    def _note_lost(self) -> None:
        """A rebuilt host never starts what git asks for in place of what was promoted: a person has to say."""
        for route, why in (self._remembered or Remembered()).lost.items():
            waits = route in self.snapshot.desired and route not in self.routes.states
            fix = (
                "push that commit again, or delete the route's ref under refs/tidegate/ to begin with what git asks for"
            )
            self._note(f"promoted {route}", NeedsPerson(f"{route} does not start: {why}", fix=fix) if waits else None)

    def _end(self, route: str) -> None:
        """Nothing of a route that is no more stays behind."""
        self.traffic.pop(route, None)
        self._resting.forget(route)
        self.evidence.forget(route)
        self.sources.forget(route)
        self.duties.forget(route)
        for key in (f"route {route}", f"state of {route}"):
            self.problems.pop(key, None)

    def _known_so_far(self) -> dict[str, Any]:
        """How far the record and all other sources were read."""
        return {**self.evidence.to_doc(), "sources": self.sources.to_doc()}

    def _save(self, absorbed: bool) -> bool:
        """Make what was decided durable. False when the journal cannot be written: nothing but safety may act then."""
        try:
            self.validation.settle()
            self.events += self._journaling.save(
                self.routes.states, self._known_so_far, self._now(), absorbed=absorbed, losses=self.losses
            )
        except LeaseLost:
            raise
        except TidegateError as error:
            self._note("journal", error)
            for route, state in self._journaling.put_back().items():
                self.routes.states[route] = state
                self.traffic[route] = traffic(state, self.readiness)
            return False
        self._note("journal", None)
        return True

    # -- acting ----------------------------------------------------------------------------------------------------

    def _steer(self) -> None:
        """Weights first, by the fast way; then the whole table. Changed weights cut the batch."""
        models = self.snapshot.models()
        try:
            self.steering.weights(self.traffic, models)
            for route, state in self.routes.states.items():
                self.evidence.cut(state, self.traffic[route], random=_random(models, route))
            self.steering.table(self.traffic, models, self.fleet.endpoints)
            for route, state in self.routes.states.items():
                self._live_since(state, self.traffic[route], models, self._now())
        except TidegateError as error:
            self._note("steering", error)
        else:
            self._note("steering", None)

    def _live_since(self, state: RouteState, split: Traffic, models: Mapping[str, Model], now: float) -> float:
        """Since when users have had this step's weights: before, nothing counts towards its time."""
        candidate = state.candidate
        if candidate is None or candidate.step < 0:
            return 0.0
        return self.steering.live_since(state.route, split, models, now)

    def _reconcile(self, *, may_stop: bool) -> None:
        needs: dict[str, Need] = {}
        unknown: dict[str, TidegateError] = {}
        wishes = self.routes.wishes(self.snapshot)
        for route, state in self.routes.states.items():
            found, failed = self.needs.of(state, wishes[route], needs, self.fleet.running)
            needs |= found
            unknown |= failed
            self._note(f"route {route}", next(iter(failed.values()), None))
        if self.ticks % FORGET_EVERY == 0:
            self.needs.keep(self.routes.states.values())
        known = {
            split_route(route)[0]
            for route, state in self.routes.states.items()
            if state.stable or state.candidate or state.retired
        }
        drain = max((self._drain(state) for state in self.routes.states.values()), default=30.0)
        self.fleet.reconcile(needs, known, drain, unknown, may_stop)

    def _drain(self, state: RouteState) -> float:
        wish = self.snapshot.wish(state.route)
        return wish.policy.drain if wish else 30.0


def _defect(error: Exception) -> InternalError:
    """A defect as one, with its cause for the log."""
    if isinstance(error, InternalError):
        return error
    found = InternalError(f"{type(error).__name__}: {error}", fix="please report this with the controller's log")
    found.__cause__ = error
    return found


def _random(models: Mapping[str, Model], route: str) -> bool:
    """Whether requests of this route are split by chance; unknown counts as not."""
    model = models.get(split_route(route)[0])
    return model is not None and model.sticky is None
