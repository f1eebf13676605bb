"""What git has yet to be told, done by jobs: the revert commit of a rejection, notes and promoted refs.

A duty stands in the route's journaled state until it is done, so no crash loses it, and doing it twice does it once.
Neighbours: rollout/ makes duties, gitrepo/ fulfils them, loop.py takes them off the state.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tidegate.engine.source import Source
from tidegate.engine.workers import FIRST_DELAY, LONGEST_DELAY, Done, Workers
from tidegate.gitrepo.forget import forget
from tidegate.gitrepo.message import rejection
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Promotion, Record
from tidegate.gitrepo.revert import Result, Undo, restore
from tidegate.rollout.state import GitDuty, RouteState
from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError
from tidegate.spec.release import Release, split_route

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A duty's job that ended. `text` says for people what git knows now, or why it does not yet."""

    route: str
    duty: str
    fulfilled: bool
    changed_git: bool
    text: str


PROMOTIONS: Final = ("promotions",)
"""The key of the job that tells git of promotions, as many as there are at once."""
AT_ONCE: Final = 500
"""Promotions in one push: a thousand refs fit in one command line, and nothing waits for a push that takes minutes."""


class Duties:
    """Submits a job for the oldest duty of each route, one at a time a route; promotions of all routes are one job."""

    def __init__(
        self,
        mirror: Mirror,
        source: Source,
        record: Record,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        rng: random.Random,
    ) -> None:
        self._mirror = mirror
        self._source = source
        self._record = record
        self._now = now
        self._sleep = sleep
        self._rng = rng
        self._promoting: Mapping[str, GitDuty] = {}
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self.said: dict[str, str] = {}
        self.errors: dict[str, TidegateError] = {}

    def submit(self, states: Mapping[str, RouteState], workers: Workers, done: Collection[str] = ()) -> None:
        """Start what can be started; a failed duty backs off by itself and is tried again. `done`: ids of those that are done.

        A revert goes before notes: what git asks for has to become true even where the remote takes no notes.
        """
        promotions: dict[str, GitDuty] = {}
        for route, state in states.items():
            left = [one for one in state.duties if one.id not in done] if state.duties else []
            if not left:
                continue
            duty = next((one for one in left if one.kind == "revert"), left[0])
            if duty.kind == "promote":
                if len(promotions) < AT_ONCE and self._not_before.get(duty.id, 0.0) <= self._now():
                    promotions[route] = duty
            else:
                workers.submit(("duty", route, duty.id), lambda route=route, duty=duty: self._fulfil(route, duty))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        if promotions and workers.submit(PROMOTIONS, lambda: self._promote(promotions)):
            self._promoting = promotions

    def hurry(self, workers: Workers, states: Mapping[str, RouteState]) -> None:
        """Git answers: what it could not be told need not wait for its back-off any longer."""
        self._not_before.clear()
        workers.hurry(PROMOTIONS)
        for route in self.errors:
            for duty in states[route].duties if route in states else ():
                workers.hurry(("duty", route, duty.id))

    def forget(self, route: str) -> None:
        """The route is no more."""
        self.said.pop(route, None)
        self.errors.pop(route, None)

    def took(self, done: Done) -> list[Outcome] | None:
        """Take in a job that ended: what became of each duty that it was for. None when it was for none."""
        match done.key:
            case ("promotions",):
                told = done.value or [(route, duty, done.error) for route, duty in self._promoting.items()]
                return [self._told(route, duty, error) for route, duty, error in told]
            case ("duty", str() as route, str() as duty):
                pass
            case _:
                return None
        if done.error is not None:
            return [self._untold(route, duty, done.error)]
        text, changed = done.value
        return [self._known(route, duty, text, changed)]

    def _known(self, route: str, duty: str, text: str, changed: bool) -> Outcome:
        self.errors.pop(route, None)
        self._not_before.pop(duty, None)
        self._failures.pop(duty, None)
        self.said[route] = text
        log.info("%s: %s", route, text)
        return Outcome(route, duty, True, changed, text)

    def _untold(self, route: str, duty: str, error: TidegateError) -> Outcome:
        text = f"git is not told yet: {error.message}"
        if self.said.get(route) != text:
            log.warning("%s: git is not told yet: %s", route, error)
        self.said[route] = text
        self.errors[route] = error
        return Outcome(route, duty, False, False, text)

    def _told(self, route: str, duty: GitDuty, error: TidegateError | None) -> Outcome:
        if error is None:
            return self._known(route, duty.id, f"git knows that {duty.release.version} was promoted", False)
        failures = self._failures[duty.id] = self._failures.get(duty.id, 0) + 1
        least = error.delay if isinstance(error, RetryLater) else FIRST_DELAY
        pause = (
            LONGEST_DELAY if isinstance(error, NeedsPerson) else min(LONGEST_DELAY, least * 2 ** min(failures - 1, 10))
        )
        self._not_before[duty.id] = self._now() + pause * self._rng.uniform(0.75, 1.25)
        return self._untold(route, duty.id, error)

    def _promote(self, promotions: Mapping[str, GitDuty]) -> list[tuple[str, GitDuty, TidegateError | None]]:
        """Tell git of all of these. An error of the push as a whole is the error of each."""
        now = self._now()
        try:
            errors = self._record.promote_all(
                [Promotion(route, d.release, d.commit, d.reason, now) for route, d in promotions.items()]
            )
        except TidegateError as error:
            errors = [error] * len(promotions)
        return [(route, duty, error) for (route, duty), error in zip(promotions.items(), errors, strict=True)]

    def _fulfil(self, route: str, duty: GitDuty) -> tuple[str, bool]:
        if duty.kind == "forget":
            gone = forget(self._mirror, duty.route, duty.commit)
            return f"{duty.route} follows its model again" + ("" if gone else "; its ref was moved by others"), False
        result = self._revert(route, duty)
        unnoted = self._note(route, duty)
        match result.how:
            case "reverted":
                return f"reverted in git by {(result.commit or '')[:12]}{unnoted}", True
            case "branch":
                where = (result.ref or "").removeprefix("refs/heads/")
                return f"a person has to merge the branch {where}: {result.detail}{unnoted}", True
            case "already":
                return f"git asks for something else already ({(result.commit or '')[:12]}){unnoted}", True
            case "none":
                return f"left in git as it is: {result.detail}{unnoted}", False

    def _note(self, route: str, duty: GitDuty) -> str:
        """Note the rejection; in words why not, where the remote never takes notes. The revert is done all the same."""
        try:
            self._record.reject(route, duty.release, touched=duty.commit, reason=duty.reason, at=self._now())
        except NeedsPerson as error:
            log.warning("%s: the rejection is not noted in git: %s", route, error)
            return f"; without a note: {error.message}"
        return ""

    def _revert(self, route: str, duty: GitDuty) -> Result:
        if duty.good is None:
            return Result("none", detail="there is no release before it to go back to")
        model, _ = split_route(route)
        good = self._just_before(route, duty, duty.good)
        undo = Undo(
            route=route,
            folder=f"models/{model}",
            deployment=self._source.deployment_path(model),
            rejected=duty.release,
            good=good,
            message=rejection(route, duty.release, good, duty.reason, asked_by=duty.commit),
            reason=duty.reason,
            mode=duty.mode,
            rejects=duty.commit,
        )
        return restore(
            self._mirror.remote,
            undo,
            lambda commit: self._source.digest_at(route, commit),
            rng=self._rng,
            sleep=self._sleep,
        )

    def _just_before(self, route: str, duty: GitDuty, good: Release) -> Release:
        """The good release as the commit before the bad one declared it: what was written since its promotion stays."""
        before = self._mirror.resolve(f"{duty.commit}^")
        if before is not None and self._source.digest_at(route, before) == good.digest:
            return replace(good, commit=before)
        return good
