"""The sources of the guardrails under way, besides the gateway's record: asked by jobs, their answers made evidence.

A source is asked only while a policy that uses it judges somebody, and for each route alone: a dead one holds nobody else.
What has been read goes into the journal with the verdict that it led to. Neighbours: polls.py is one source, desk.py takes
feedback in, arrivals.py makes batches, rollout/holding.py acts on troubles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tidegate.engine.arrivals import Arrivals, Shown
from tidegate.engine.desk import Desk, News
from tidegate.engine.evidence import Trial, trial_of
from tidegate.engine.polls import Poll, polls_of
from tidegate.engine.workers import Done, Workers
from tidegate.journal.journal import Transaction
from tidegate.rollout.state import Desired, Hold, RouteState, Trouble
from tidegate.rollout.steps import present
from tidegate.sources.access import Access
from tidegate.sources.ask import look
from tidegate.sources.interface import Arm, Look, Reading
from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError
from tidegate.spec.policy import Guardrail, PolicyFields
from tidegate.spec.release import Release, split_route

FEEDBACK: Final = ("feedback",)
ASKED: Final = "asked"
"""The journal's cursor that says what git asks feedback for."""
BUSY_EVERY: Final = 0.5
QUIET_EVERY: Final = 5.0
"""Seconds between two looks at feedback: while somebody is judged by it, and else, to keep the index up to date."""

AT_ONCE: Final = 3
"""Questions to one server at a time: one that answers nobody must not keep all threads from the others."""

Metrics = Mapping[str, tuple[float, float]]


@dataclass(slots=True)
class _Followed:
    """A route with somebody on trial: its polls by key, those that the candidate's own guardrails need, and who is asked for."""

    trial: str
    guardrails: tuple[Guardrail, ...]
    polls: dict[str, Poll] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()
    arms: dict[Arm, dict[str, str]] = field(default_factory=dict)
    stable: str | None = None
    candidate: str = ""


class Sources:
    """Called by the loop alone. `desk` None: nobody takes feedback in.

    `saved` and `asked`: what `to_doc` and `asked_doc` gave before a restart.
    """

    def __init__(
        self,
        access: Access,
        desk: Desk | None,
        workers: Workers,
        now: Callable[[], float],
        saved: Mapping[str, Any] | None = None,
        asked: Mapping[str, Any] | None = None,
    ) -> None:
        self.desk = desk
        self._access = access
        self._workers = workers
        self._now = now
        saved = saved or {}
        self._saved: dict[str, Any] = dict(saved.get("polls", {}))
        self._taken: dict[str, int] = dict(saved.get("taken", {}))
        self._followed: dict[str, _Followed] = {}
        asked = saved.get("asked") if asked is None else asked  # as it was kept before 0.2
        self._in_git: dict[str, Metrics] | None = None if asked is None else _metrics(asked)
        self._unsaved = False
        self._seen: Mapping[str, Desired | str] = {}  # what no commit touches is the same object in the next one
        self._next_feedback = 0.0
        self._under_way: Counter[str] = Counter()
        self._counts: Mapping[str, Mapping[str, int]] = {}
        self._problem: TidegateError | None = None
        self._tell_desk()

    # -- what is to be asked -------------------------------------------------------------------------------------------

    def saw(self, desired: Mapping[str, Desired | str]) -> None:
        """Git was read: feedback is indexed for the routes whose policies ask for it, on trial or not.

        Of a route whose files cannot be read (its wish is the reason), what was known stays.
        """
        known, before, found = self._in_git or {}, self._seen, dict[str, Metrics]()
        for route, wish in desired.items():
            if isinstance(wish, Desired) and before.get(route) is not wish:
                metrics = _feedback(_guardrails(wish.policy))
            else:
                metrics = known.get(route, {})
            if metrics:
                found[route] = metrics
        self._unsaved = self._unsaved or found != self._in_git
        self._seen, self._in_git = desired, found
        self._tell_desk()

    def follow(self, state: RouteState) -> None:
        """Ask for what this route's trial needs, from now on; for nothing while nobody is judged."""
        trial, before = trial_of(state), self._followed.get(state.route)
        if trial is None:
            self._saved.pop(state.route, None)
            if before is not None:
                del self._followed[state.route]
                self._tell_desk()
            return
        judged, watched = _rails(state)
        if before is not None and before.trial == trial.name and before.guardrails == (*judged, *watched):
            return
        self._followed[state.route] = self._fresh(state, trial, judged, watched, before)
        self._tell_desk()

    def restorer(self, route: str) -> Callable[[], None]:
        """Takes up again what is asked for this route now: for a decision that turns out not to hold."""
        known = self._followed.get(route)

        def restore() -> None:
            self._followed.pop(route, None)
            if known is not None:
                self._followed[route] = known
            self._tell_desk()

        return restore

    def _fresh(
        self,
        state: RouteState,
        trial: Trial,
        judged: tuple[Guardrail, ...],
        watched: tuple[Guardrail, ...],
        before: _Followed | None,
    ) -> _Followed:
        polls = polls_of((*judged, *watched), self._access.settings.prometheus)
        saved = self._saved.pop(state.route, None)
        if saved is not None and saved["trial"] == trial.name:
            for key in polls.keys() & saved["polls"].keys():
                polls[key].resume(saved["polls"][key])
        elif before is not None and before.trial == trial.name:
            polls |= {key: poll for key, poll in before.polls.items() if key in polls}
        return _Followed(
            trial.name,
            (*judged, *watched),
            polls,
            frozenset(polls_of(judged)),
            _arms(state),
            trial.stable,
            trial.candidate,
        )

    def _tell_desk(self) -> None:
        if self.desk is None or self._in_git is None:
            return
        asked = dict(self._in_git)
        for route, one in self._followed.items():
            if metrics := _feedback(one.guardrails):
                asked[route] = {**asked.get(route, {}), **metrics}
        self.desk.asked = asked

    def submit(self, arrivals: Callable[[str], Arrivals | None]) -> None:
        """Start the jobs that are due. `arrivals`: of a route's trial."""
        now = self._now()
        due = [
            (poll, route, one, key)
            for route, one in self._followed.items()
            for key, poll in one.polls.items()
            if now >= poll.next_at
        ]
        due.sort(key=lambda ask: ask[0].next_at)  # who has waited longest comes first: a slow server starves nobody
        for poll, route, one, key in due:
            if self._under_way[poll.place] < AT_ONCE:
                self._ask(route, one, key, poll, now)
        if self.desk is None or not self.desk.asked or now < self._next_feedback:
            return
        wanted = {
            route: (self._taken.get(route, 0), there.since)
            for route, one in self._followed.items()
            if _feedback(one.guardrails) and (there := arrivals(route)) is not None
        }
        desk = self.desk
        if self._workers.submit(FEEDBACK, lambda: desk.work(wanted), news=lambda news: bool(news.labels)):
            self._next_feedback = now + (BUSY_EVERY if wanted else QUIET_EVERY)

    def _ask(self, route: str, one: _Followed, key: str, poll: Poll, now: float) -> None:
        source, arms, moments, access = poll.source, one.arms, poll.moments(now), self._access
        name = ("source", poll.place, route, one.trial, key)
        if self._workers.submit(name, lambda: look(source, arms, moments, access), asks=True):
            self._under_way[poll.place] += 1
            poll.next_at = now + poll.source.every

    # -- what came back ------------------------------------------------------------------------------------------------

    def took(self, done: Done, arrivals: Callable[[str], Arrivals | None]) -> bool:
        """Take in a job that ended. True when it was one of these."""
        match done.key:
            case ("source", str() as place, str() as route, str() as trial, str() as key):
                self._under_way[place] -= 1
                one = self._followed.get(route)
                poll = one.polls.get(key) if one is not None and one.trial == trial else None
                there = arrivals(route)
                found = Look(self._now(), down=RetryLater(str(done.error))) if done.error is not None else done.value
                if poll is not None and there is not None:
                    poll.took(found, self._now())
                    _enter(poll, found, there)
            case ("feedback",):
                self._problem = done.error
                if isinstance(done.value, News):
                    self._read(done.value, arrivals)
            case _:
                return False
        return True

    def _read(self, news: News, arrivals: Callable[[str], Arrivals | None]) -> None:
        now = self._now()
        self._counts = news.counts
        if news.more:
            self._next_feedback = 0.0
        for route, labels in news.labels.items():
            one, there = self._followed.get(route), arrivals(route)
            for label in labels:
                if label.seq <= self._taken.get(route, 0):
                    continue
                self._taken[route] = label.seq
                if one is None or there is None or label.release not in (one.stable, one.candidate):
                    continue
                there.label(
                    now,
                    candidate=label.release == one.candidate,
                    segment=label.segment,
                    metric=label.metric,
                    value=label.value,
                    answered=label.answered,
                )

    def troubles(self, route: str) -> tuple[Trouble, ...]:
        """The sources that this route's candidate needs and that give nothing just now."""
        one = self._followed.get(route)
        if one is None:
            return ()
        found = (poll.trouble() for key, poll in one.polls.items() if key in one.needed)
        return tuple(trouble for trouble in found if trouble is not None)

    def accept(self, body: bytes) -> dict[str, Any]:
        """Take in feedback that was sent, from any thread; what it says was taken is on disk. Raises as Desk.accept does."""
        if self.desk is None:
            raise RetryLater("this controller takes no feedback in")
        return self.desk.accept(body)

    # -- for people, and over restarts ---------------------------------------------------------------------------------

    def status(self, route: str) -> list[dict[str, Any]]:
        """The sources that are asked for this route."""
        one, now = self._followed.get(route), self._now()
        asked = [poll.status(now) for poll in one.polls.values()] if one is not None else []
        metrics = sorted((self.desk.asked or {}).get(route, {})) if self.desk is not None else []
        counts = dict(self._counts.get(route, {}))
        return asked + [{"source": "feedback", "metric": metric, "counts": counts} for metric in metrics]

    def feedback(self) -> dict[str, int]:
        """What became of all reports, those included that belong to no route."""
        total: dict[str, int] = {}
        for counts in self._counts.values():
            for name, number in counts.items():
                total[name] = total.get(name, 0) + number
        return total

    def problems(self) -> list[TidegateError]:
        """What a person should know: sources that are down or broken, and feedback that cannot be kept."""
        found = [] if self._problem is None else [self._problem]
        for route, one in self._followed.items():
            for poll in one.polls.values():
                if poll.cause in (Hold.SOURCE_DOWN, Hold.CHECKER_BROKEN):
                    words = "is down" if poll.cause is Hold.SOURCE_DOWN else "is broken"
                    found.append(NeedsPerson(f"{poll.name} {words}: {poll.why}", where=route, fix=poll.fix or None))
        return found

    def shift(self, by: float) -> None:
        """The wall clock was set back (`by` negative, seconds)."""
        self._next_feedback += by
        for one in self._followed.values():
            for poll in one.polls.values():
                poll.shift(by)

    def renamed(self, before: RouteState, after: RouteState) -> None:
        """A state was moved along with the clock: its trial has another name, and is the same."""
        old, new, one = trial_of(before), trial_of(after), self._followed.get(after.route)
        if one is not None and old is not None and new is not None and one.trial == old.name:
            one.trial = new.name

    def to_doc(self) -> dict[str, Any]:
        """How far everything was read, JSON-safe: to be journaled together with the evidence."""
        polls = {
            route: {"trial": one.trial, "polls": {key: poll.to_doc() for key, poll in one.polls.items()}}
            for route, one in self._followed.items()
            if one.polls
        }
        return {"polls": {**self._saved, **polls}, "taken": dict(self._taken)}

    def asked_doc(self) -> dict[str, Any]:
        """What git asks feedback for, JSON-safe. It grows with the portfolio, and only a commit changes it."""
        return {
            route: {metric: list(bounds) for metric, bounds in metrics.items()}
            for route, metrics in (self._in_git or {}).items()
        }

    @property
    def pending(self) -> bool:
        """Whether there is something that the journal does not know, besides how far everything was read."""
        return self._unsaved

    def put(self, transaction: Transaction) -> None:
        """Write down what is new of it."""
        if self._unsaved:
            transaction.put_cursor(ASKED, self.asked_doc())

    def saved(self) -> None:
        """It is on disk."""
        self._unsaved = False

    def forget(self, route: str) -> None:
        """The route is no more."""
        self._followed.pop(route, None)
        self._saved.pop(route, None)
        self._taken.pop(route, None)

    def close(self) -> None:
        """Let go of the feedback store."""
        if self.desk is not None:
            self.desk.close()


def _enter(poll: Poll, found: Look, arrivals: Arrivals) -> None:
    """What both arms showed, as evidence: each value once, and counters by what they grew."""
    by_moment: dict[float, dict[Arm, Shown]] = {}
    for arm, readings in found.readings.items():
        for reading in readings:
            shown = _shown(poll, arm, reading, arrivals)
            if shown is not None:
                by_moment.setdefault(reading.at if len(readings) > 1 else found.at, {})[arm] = shown
    for _, arms in sorted(by_moment.items()):
        arrivals.shown(arms.get("stable"), arms.get("candidate"))


def _shown(poll: Poll, arm: Arm, reading: Reading, arrivals: Arrivals) -> Shown | None:
    if reading.counts is None:
        before = poll.bases.get(arm)
        if reading.at < arrivals.since or (before is not None and reading.at <= before[0]):
            return None
        poll.bases[arm] = (reading.at, 0, 0)
        poll.shown[arm] = reading.value
        return Shown(poll.metric, reading.value)
    start, grown = poll.increase(arm, reading)
    if grown is None or start < arrivals.since or arrivals.cut_between(start, reading.at):
        return None
    poll.shown[arm] = grown[1] / grown[0]
    return Shown(poll.metric, counts=grown)


def _rails(state: RouteState) -> tuple[tuple[Guardrail, ...], tuple[Guardrail, ...]]:
    """The guardrails of the candidate, and those of a watch beside or after it.

    In a shadow step nobody is served by the candidate, so there is nothing that other sources could say of it.
    """
    candidate = state.candidate
    step = present(candidate) if candidate is not None else None
    judged = candidate.policy.guardrails if candidate is not None and step is not None and step.shadow is None else ()
    return judged, state.watch.policy.watch if state.watch is not None else ()


def _guardrails(policy: PolicyFields) -> tuple[Guardrail, ...]:
    return (*policy.guardrails, *policy.watch)


def _feedback(guardrails: tuple[Guardrail, ...]) -> Metrics:
    """The metrics that feedback is asked for, with their bounds."""
    return {one.metric: one.bounds for one in guardrails if one.source == "feedback"}


def _metrics(doc: Mapping[str, Mapping[str, Any]]) -> dict[str, Metrics]:
    """What `to_doc` kept of the metrics that are asked for."""
    return {route: {metric: (low, high) for metric, (low, high) in of.items()} for route, of in doc.items()}


def _arms(state: RouteState) -> dict[Arm, dict[str, str]]:
    """The variables of the releases that are told apart: both of a trial, or the watched one alone."""
    candidate, stable = state.candidate, state.stable
    if candidate is not None and candidate.step >= 0 and stable is not None:
        return {
            "stable": _variables(state.route, stable, "stable"),
            "candidate": _variables(state.route, candidate.release, "candidate"),
        }
    return {"candidate": _variables(state.route, state.watch.release, "stable")} if state.watch is not None else {}


def _variables(route: str, release: Release, role: str) -> dict[str, str]:
    model, feature = split_route(route)
    return {
        "release": release.id, "version": release.version, "config": release.config or "", "model": model,
        "feature": feature or "", "route": route, "role": role,
    }  # fmt: skip
