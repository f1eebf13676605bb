"""The reconcile loop: one pass after the other, each the same ordered list of concerns; the world decides, hints only wake.

Read (git, runtime, record), decide (rollout/, pure), make durable (journal), then act: weights first, the rest after.
Neighbours: build.py puts a controller together, `tidegate run` runs it. STYLE habits 1 to 4.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

from tidegate.engine.alerting import Alerting
from tidegate.engine.archiving import KEY as ARCHIVE
from tidegate.engine.archiving import Archiving
from tidegate.engine.clocks import Clocks
from tidegate.engine.deciding import Deciding, by_chance
from tidegate.engine.demand import Demand, drain_of
from tidegate.engine.duties import Duties, Outcome
from tidegate.engine.evidence import Evidence
from tidegate.engine.fleet import Fleet
from tidegate.engine.hints import Hint, Hints
from tidegate.engine.journaling import Journaling
from tidegate.engine.losses import Losses
from tidegate.engine.needs import Needs
from tidegate.engine.problems import Problems
from tidegate.engine.retention import Retention
from tidegate.engine.routes import Routes
from tidegate.engine.shadowing import Shadowing
from tidegate.engine.source import Remembered, Snapshot, Source
from tidegate.engine.sources import Sources
from tidegate.engine.steering import Steering
from tidegate.engine.validation import Validation
from tidegate.engine.workers import Done, Workers
from tidegate.journal.journal import Journal
from tidegate.journal.lease import LeaseLost
from tidegate.rollout.machine import fulfilled
from tidegate.rollout.shift import shifted
from tidegate.rollout.state import RouteState
from tidegate.spec.controller import RolloutSettings
from tidegate.spec.errors import NeedsPerson, TidegateError
from tidegate.spec.release import split_route

log = logging.getLogger(__name__)

FIRST_TICK = 0.01
FIRST_RETRY = 0.25
LOADING_TICK = 0.005
FAST_TICK = 0.1
SLOW_TICK = 1.0
OBSERVE_EVERY = 1.0
ROTATE_EVERY = 10  # passes
FORGET_EVERY = 1000  # passes
LONGEST_WAIT = 5.0


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
        shadowing: Shadowing,
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
        self.shadowing = shadowing
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
        self.problems = Problems()
        self.ticks = 0
        self.events = 0
        self._remembered: Remembered | None = None
        self._poll = poll
        self._now = now
        self._clock = clock
        self._rng = rng
        self._next_fetch = 0.0
        self._next_observe = 0.0
        last = float((journal.cursor("record") or {}).get("at", 0.0))
        self._clocks = Clocks(now, clock, last)
        self._last_sign = min(last, now())  # of the controller before this one
        self._looks_since = clock()
        self._known = False
        self._unread: list[tuple[float, Outcome]] = []
        self._journaling = Journaling(journal, routes.states)
        self._demand = Demand(needs, fleet.running)
        self.deciding = Deciding(
            routes=routes,
            servers=fleet.servers,
            source=source,
            evidence=evidence,
            shadowing=shadowing,
            validation=validation,
            journaling=self._journaling,
            sources=sources,
            steering=steering,
            demand=self._demand,
            duties=duties,
            problems=self.problems,
            rollouts=rollouts,
            now=now,
        )

    # -- one pass --------------------------------------------------------------------------------------------------

    def tick(self, hints: set[Hint]) -> float:
        """One pass over everything. Returns how many seconds the loop may sleep when no hint wakes it.

        Raises LeaseLost when another controller acts by now: nothing more must be done.
        """
        try:
            return self._pass(hints)
        finally:
            self._clocks.end()

    def _pass(self, hints: set[Hint]) -> float:
        self.ticks += 1
        self.journal.hold()
        away, back = self._clocks.begin()
        if away:
            self._was_away(away)
        if back:
            self._set_back(back)
        for done in self.workers.take():
            self._took(done)
        self._look_at_git(hints)
        self._look_at_runtime(hints)
        if not self._taken_over():
            return FIRST_TICK
        source_up, more = self._read_record()
        self._renew()
        remembered = self._remembered or Remembered()
        absorbed = self.deciding.decide(self.snapshot, remembered, source_up, not more, self._clocks.awake_since)
        durable = self._save(absorbed)
        self.journal.hold()
        self._steer()
        self.journal.hold()
        self._reconcile(may_stop=durable and self.steering.settled)
        self.sources.submit(self.evidence.arrivals)
        if durable:
            owing = {route: self.routes.states[route] for route in self.routes.owing}
            self.duties.submit(owing, self.workers, {outcome.duty for _, outcome in self._unread})
            if self.snapshot.commit is not None and self._retention.due(self._clock()):
                self._retention.submit(self.routes.states, self.routes.wishes(self.snapshot), self.workers)
            if self.archiving is not None and self.archiving.due(self._clock()):
                self.archiving.submit(self.workers)
            self._alert()
        if more:
            return 0.0
        if self.steering.loading:
            return LOADING_TICK
        return FAST_TICK if self._in_motion() else SLOW_TICK

    def _was_away(self, seconds: float) -> None:
        """What was known of servers is as old as before a start."""
        log.info("was away for %.0f s: the servers are asked anew", seconds)
        self._known, self._looks_since = False, self._clock()
        self._next_observe = self._next_fetch = 0.0
        self.fleet.doubt()

    def _set_back(self, seconds: float) -> None:
        """The moments of all rollouts move along with the time of day: else every timer stands still so long."""
        log.warning("the clock was set back by %.0f s: the rollouts under way go on all the same", seconds)
        for part in (self.evidence, self.shadowing, self.sources, self.steering, self._journaling):
            part.shift(-seconds)
        for state in list(self.routes.states.values()):
            moved = shifted(state, -seconds)
            for judging in (self.evidence, self.shadowing, self.sources):
                judging.renamed(state, moved)
            self.routes.put(moved)
        self._journaling.changed(*self.routes.states)

    def _taken_over(self) -> bool:
        """Whether it is known how ready the servers are that ran before this controller. Until then nothing is moved:

        a server that was not asked yet is no server that is down.
        """
        if self._known:
            return True
        if self.ticks == 1:
            states = self.routes.states.values()
            self.fleet.take_over((s.stable.workload for s in states if s.stable is not None), self._last_sign)
        if not self.fleet.observed:
            self._looks_since = self._clock()  # nobody can be asked yet
            return False
        self._demand.note(self.routes.resting.awake(), ())
        self._reconcile(may_stop=False)
        self._known = not self.fleet.undecided() or self._clock() - self._looks_since > LONGEST_WAIT
        return self._known

    def _alert(self) -> None:
        """Tell people what there is to tell, once git says whom."""
        if self.snapshot.commit is None:
            return
        try:
            strangers = self.evidence.strangers()
            self.alerting.look(self._awake(), self.routes.wishes(self.snapshot), self.events, strangers)
        except LeaseLost:
            raise
        except TidegateError as error:
            self.problems.note("alerts", error)
        else:
            self.problems.note("alerts", None)

    def _in_motion(self) -> bool:
        if self.routes.owing or not self.steering.settled:
            return True
        return any(state.candidate or state.degraded for state in self._awake().values())

    def _awake(self) -> dict[str, RouteState]:
        """The routes that are not at rest: all that is on trial is among them."""
        return {route: self.routes.states[route] for route in self.routes.resting.awake()}

    def _took(self, done: Done) -> None:
        if self.fleet.took(done):
            match done.key:
                case ("start", *_) | ("stop", *_):
                    self._next_observe = 0.0
                case ("observe",):
                    self.problems.note("runtime", done.error)
                    self.problems.note("providers", self.fleet.trouble)
                    self.workers.forget(done.key)  # a look costs little, and an engine may be back at any time
            return
        if self._retention.took(done):
            return
        if self.archiving is not None and done.key == ARCHIVE:
            self.problems.note("record", self.archiving.took(done))
            return
        if self.validation.took(done) or self.sources.took(done, self.evidence.arrivals):
            return
        if self.alerting.took(done):
            self.problems.note(f"alerts to {done.key[1]}", done.error)  # type: ignore[index]  # its keys are pairs
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
                self.problems.note("git", done.error)
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
            self.routes.put(fulfilled(state, outcome.duty))
            self._journaling.changed(outcome.route)

    # -- looking ---------------------------------------------------------------------------------------------------

    def _look_at_git(self, hints: set[Hint]) -> None:
        now = self._clock()
        if Hint.GIT in hints:
            self.workers.forget(("look",))
            self._next_fetch = 0.0
        if now < self._next_fetch:
            return
        known = frozenset(self.routes.states)
        if self.workers.submit(("look",), lambda: self._look(known)):
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
            self.problems.note(
                "branch",
                NeedsPerson(
                    "the branch has no commit, so nothing is asked for; what runs goes on",
                    fix="push a first commit, or correct `branch` in tidegate.yaml",
                ),
            )
            return
        self.problems.note("branch", None)
        if snapshot.commit != self.snapshot.commit:
            log.info("at %s: %s", snapshot.commit[:12], snapshot.subject)
            for finding in snapshot.findings:
                if finding.severity == "error":
                    log.warning("%s:%s:%s: %s", finding.path, finding.line, finding.column, finding.message)
        self.snapshot = snapshot
        self.needs.saw(snapshot)
        self.evidence.declarations.saw(snapshot.declared)
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
            self.shadowing.read()
            self.losses.compare(caught_up=not more)
            if self.ticks % ROTATE_EVERY == 0:
                self.steering.keep_record_short(self._now())
        except TidegateError as error:
            self.problems.note("gateway", error)
            return False, False
        self.problems.note("gateway", None)
        return True, more

    def _renew(self) -> None:
        """What decides about callers, as it is on disk now."""
        try:
            self.steering.renew(self._now())
        except TidegateError as error:
            self.problems.note("callers", error)
        else:
            self.problems.note("callers", None)

    # -- acting ----------------------------------------------------------------------------------------------------

    def _known_so_far(self) -> dict[str, Any]:
        """How far the record and all other sources were read, and when that was."""
        return {**self.evidence.to_doc(), "sources": self.sources.to_doc(), "at": self._now()}

    def _save(self, absorbed: bool) -> bool:
        """Make what was decided durable. False when the journal cannot be written: nothing but safety may act then."""
        try:
            self.validation.settle()
            self.events += self._journaling.save(
                self.routes.states,
                self._known_so_far,
                self._now(),
                absorbed=absorbed,
                losses=self.losses,
                sources=self.sources,
            )
        except LeaseLost:
            raise
        except TidegateError as error:
            self.problems.note("journal", error)
            self.deciding.put_back()
            return False
        self.problems.note("journal", None)
        return True

    def _steer(self) -> None:
        """Weights first, by the fast way; then the whole table. Changed weights cut the batch."""
        deciding, snapshot = self.deciding, self.snapshot
        looked = [self.routes.states[route] for route in deciding.looked]
        try:
            self.steering.weights(deciding.traffic, snapshot.model)
            for state in looked:
                self.evidence.cut(state, deciding.traffic[state.route], random=by_chance(snapshot, state.route))
            self.steering.table(deciding.traffic, snapshot.model, self.fleet.endpoints)
            for state in looked:
                deciding.live_since(state, deciding.traffic[state.route], snapshot, self._now())
        except TidegateError as error:
            self.problems.note("steering", error)
        else:
            self.problems.note("steering", None)
        refused = {f"gateway, route {route}": said for route, said in self.steering.refused.items()}
        for key in [key for key in self.problems if key.startswith("gateway, route ") and key not in refused]:
            self.problems.note(key, None)
        for key, refusal in refused.items():
            self.problems.note(key, refusal)

    def _reconcile(self, *, may_stop: bool) -> None:
        demand, states = self._demand, self.routes.states
        for route in demand.due():
            wish = self.snapshot.wish(route)
            drain = drain_of(wish, self.snapshot.model(split_route(route)[0]))
            unread = demand.look(states[route], self.routes.wish(self.snapshot, route), drain)
            self.problems.note(f"route {route}", unread)
        if self.ticks % FORGET_EVERY == 0:
            self.needs.keep(states.values())
        self.fleet.reconcile(
            demand.needs, demand.known, demand.drain, demand.unread(), may_stop, changed=demand.changed()
        )
