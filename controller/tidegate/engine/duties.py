"""What git has yet to be told, done by jobs: the revert commit of a rejection, notes and promoted refs.

A duty stands in the route's journaled state until it is done, so no crash loses it, and doing it twice does it once.
Neighbours: rollout/ makes duties, gitrepo/ fulfils them, loop.py takes them off the state.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from tidegate.engine.source import Source
from tidegate.engine.workers import Done, Workers
from tidegate.gitrepo.message import rejection
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Record
from tidegate.gitrepo.revert import Result, Undo, restore
from tidegate.rollout.state import GitDuty, RouteState
from tidegate.spec.errors import NeedsPerson, TidegateError
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


class Duties:
    """Submits a job for the oldest duty of each route, one at a time a route."""

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
        self.said: dict[str, str] = {}
        self.errors: dict[str, TidegateError] = {}

    def submit(self, states: Mapping[str, RouteState], workers: Workers, done: Collection[str] = ()) -> None:
        """Start what can be started; a failed duty backs off by itself and is tried again. `done`: ids of those that are done.

        A revert goes before notes: what git asks for has to become true even where the remote takes no notes.
        """
        for route, state in states.items():
            left = [one for one in state.duties if one.id not in done]
            if left:
                duty = next((one for one in left if one.kind == "revert"), left[0])
                workers.submit(("duty", route, duty.id), lambda route=route, duty=duty: self._fulfil(route, duty))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults

    def forget(self, route: str) -> None:
        """The route is no more."""
        self.said.pop(route, None)
        self.errors.pop(route, None)

    def took(self, done: Done) -> Outcome | None:
        """Take in a job that ended; None when it was not a duty."""
        match done.key:
            case ("duty", str() as route, str() as duty):
                pass
            case _:
                return None
        if done.error is not None:
            text = f"git is not told yet: {done.error.message}"
            if self.said.get(route) != text:
                log.warning("%s: git is not told yet: %s", route, done.error)
            self.said[route] = text
            self.errors[route] = done.error
            return Outcome(route, duty, False, False, text)
        text, changed = done.value
        self.errors.pop(route, None)
        self.said[route] = text
        log.info("%s: %s", route, text)
        return Outcome(route, duty, True, changed, text)

    def _fulfil(self, route: str, duty: GitDuty) -> tuple[str, bool]:
        if duty.kind == "promote":
            self._record.promote(route, duty.release, touched=duty.commit, reason=duty.reason, at=self._now())
            return f"git knows that {duty.release.version} was promoted", False
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
