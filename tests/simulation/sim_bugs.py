"""Defects to plant: each replaces one function of the engine or the rollout by a plausible wrong one.

test_teeth.py plants them, one at a time, and wants the rules of sim_watch.py to find each.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

from tidegate.engine import build, duties, journaling
from tidegate.engine.demand import Demand
from tidegate.engine.evidence import Evidence
from tidegate.engine.fleet import Fleet
from tidegate.engine.loop import Controller
from tidegate.engine.resting import Resting
from tidegate.engine.servers import Servers
from tidegate.engine.source import Source
from tidegate.engine.steering import Steering
from tidegate.gitrepo.remote import Update
from tidegate.rollout import finish, progress
from tidegate.rollout.intake import intake
from tidegate.rollout.turn import Turn


def _patched(where: Any, name: str, wrong: Callable[[Any], Any]) -> contextlib.AbstractContextManager[Any]:
    return mock.patch.object(where, name, wrong(getattr(where, name)))


def weights_before_journal() -> contextlib.AbstractContextManager[Any]:
    """Writes down only every third pass what it acts upon in each."""

    def wrong(right: Any) -> Any:
        return lambda self, *args, **more: right(self, *args, **more) if self.ticks % 3 == 0 else True

    return _patched(Controller, "_save", wrong)


def candidate_without_readiness() -> contextlib.AbstractContextManager[Any]:
    """Takes a candidate that was started for one that is ready."""

    def wrong(right: Any) -> Any:
        def ready(self: Turn, release: Any) -> bool:
            trial = self.state.candidate
            return right(self, release) or (trial is not None and release is trial.release)

        return ready

    return _patched(Turn, "ready", wrong)


def reverts_twice() -> contextlib.AbstractContextManager[Any]:
    """After a crash between push and remembering it, makes the revert once more."""

    def wrong(right: Any) -> Any:
        def restore(remote: Any, undo: Any, digest_at: Any, **more: Any) -> Any:
            result = right(remote, undo, digest_at, **more)
            if result.how == "already":
                git, head = remote.git, remote.fetch()
                with mock.patch.dict("os.environ"):
                    git.run("read-tree", head, environment={"GIT_INDEX_FILE": "again"})
                    tree = git.line("write-tree", environment={"GIT_INDEX_FILE": "again"})
                words = undo.message.encode()
                made = git.line("commit-tree", tree, "-p", head, stdin=words, environment=remote.identity)
                remote.push([Update(remote.branch_ref, made, head)])
            return result

        return restore

    return _patched(duties, "restore", wrong)


def clock_lost_at_restart() -> contextlib.AbstractContextManager[Any]:
    """Begins the present step anew whenever it starts."""

    def wrong(right: Any) -> Any:
        def from_doc(doc: Any) -> Any:
            state = right(doc)
            trial = state.candidate
            return replace(state, candidate=replace(trial, clock=0.0, step_requests=0)) if trial else state

        return from_doc

    return _patched(build, "from_doc", wrong)


def foreign_servers_stopped() -> contextlib.AbstractContextManager[Any]:
    """Takes every server that it sees for its own."""

    def wrong(right: Any) -> Any:
        def reconcile(self: Fleet, needs: Any, known: set[str], *args: Any, **more: Any) -> None:
            right(self, needs, known | {one.model for one in self.instances()}, *args, **more)

        return reconcile

    return _patched(Fleet, "reconcile", wrong)


def rejections_forgotten() -> contextlib.AbstractContextManager[Any]:
    """Does not write down what was rejected."""

    def wrong(right: Any) -> Any:
        return lambda state: {**right(state), "rejected": []}

    return _patched(journaling, "to_doc", wrong)


def no_draining() -> contextlib.AbstractContextManager[Any]:
    """Stops what is not needed while the gateway still sends requests there."""

    def wrong(right: Any) -> Any:
        def reconcile(
            self: Fleet, needs: Any, known: set[str], drain: float, unknown: Any, may_stop: bool, **more: Any
        ) -> None:
            right(self, needs, known, 0.0, unknown, True, **more)

        return reconcile

    return _patched(Fleet, "reconcile", wrong)


def standby_cut_short() -> contextlib.AbstractContextManager[Any]:
    """Lets a standby go ten seconds before its time."""

    def wrong(right: Any) -> Any:
        def release_standbys(turn: Turn, newest: Any = None) -> None:
            turn.now += 10.0
            right(turn, newest)
            turn.now -= 10.0

        return release_standbys

    wrong_one = wrong(finish.release_standbys)
    return mock.patch("tidegate.rollout.machine._OF_THE_ROUTE", (wrong_one, *_after(finish.release_standbys)))


def _after(first: Any) -> tuple[Any, ...]:
    from tidegate.rollout import machine

    return tuple(one for one in machine._OF_THE_ROUTE if one is not first)


def steps_skipped() -> contextlib.AbstractContextManager[Any]:
    """Goes from the first step to the last."""

    def wrong(right: Any) -> Any:
        def following(candidate: Any, policy: Any) -> Any:
            index = right(candidate, policy)
            return index if index is None or candidate.step < 0 else max(index, len(policy.steps) - 1)

        return following

    return _patched(progress, "following", wrong)


def steps_cut_short() -> contextlib.AbstractContextManager[Any]:
    """Counts every second of a step twice."""

    def wrong(right: Any) -> Any:
        return lambda batches, since: 2 * right(batches, since)

    return mock.patch("tidegate.rollout.evidence.covered", wrong(_covered()))


def _covered() -> Any:
    from tidegate.rollout import evidence

    return evidence.covered


def rejected_tried_again() -> contextlib.AbstractContextManager[Any]:
    """Asks nobody whether a release was rejected before."""
    assert intake
    return mock.patch("tidegate.rollout.intake.is_rejected", lambda state, desired: False)


def routes_of_the_dead_kept() -> contextlib.AbstractContextManager[Any]:
    """Never forgets the weights of a rejected release: it goes on with the traffic of the pass before."""

    @contextlib.contextmanager
    def planted() -> Iterator[None]:
        right = Controller._steer

        def steer(self: Controller) -> None:
            if not any(state.rejected for state in self.routes.states.values()):
                right(self)

        with mock.patch.object(Controller, "_steer", steer):
            yield

    return planted()


def half_of_a_commit_read() -> contextlib.AbstractContextManager[Any]:
    """Reads on from the last commit without those files of a model that are not its deployment."""

    def wrong(right: Any) -> Any:
        def read_on(self: Source, commit: str, changed: frozenset[str]) -> Any:
            return right(self, commit, frozenset(path for path in changed if "/configs/" not in path))

        return read_on

    return _patched(Source, "_read_on", wrong)


def answers_unnoticed() -> contextlib.AbstractContextManager[Any]:
    """Reckons the readiness of a workload when its servers change, and not when they answer otherwise."""

    def wrong(right: Any) -> Any:
        def answered(self: Servers, instance: Any, ok: bool, reason: str, calm: float) -> bool:
            return self.health[instance.name].took(ok, reason, self._clock(), calm=calm)

        return answered

    return _patched(Servers, "answered", wrong)


def addresses_unnoticed() -> contextlib.AbstractContextManager[Any]:
    """Tells the gateway of other routes, and not of other addresses of the same ones."""

    def wrong(right: Any) -> Any:
        return lambda self, routes, workloads: right(self, routes, ())

    return _patched(Steering, "note", wrong)


def sleeps_through() -> contextlib.AbstractContextManager[Any]:
    """Lets a route rest though its servers are not what they were."""

    def wrong(right: Any) -> Any:
        return lambda self, workloads, ready: None

    return _patched(Resting, "learnt", wrong)


def summed_once() -> contextlib.AbstractContextManager[Any]:
    """Starts what a route needs, and forgets that it needs it no more."""

    def wrong(right: Any) -> Any:
        def total(self: Demand, workload: str, route: str, wanted: Any) -> None:
            if wanted is not None:
                right(self, workload, route, wanted)

        return total

    return _patched(Demand, "_sum", wrong)


def windows_counted_anew() -> contextlib.AbstractContextManager[Any]:
    """After a clock was set back, takes a trial for another one: its windows have the numbers of those before."""
    return _patched(Evidence, "renamed", lambda right: lambda self, before, after: None)


BUGS = (
    (weights_before_journal, {"durable"}),
    (candidate_without_readiness, {"unready", "durable", "short"}),
    (reverts_twice, {"reverts"}),
    (clock_lost_at_restart, {"clock"}),
    (foreign_servers_stopped, {"foreign"}),
    (rejections_forgotten, {"rejected", "retried"}),
    (no_draining, {"drain"}),
    (standby_cut_short, {"standby"}),
    (steps_skipped, {"steps"}),
    (steps_cut_short, {"short"}),
    (rejected_tried_again, {"retried"}),
    (half_of_a_commit_read, {"memo"}),
    (answers_unnoticed, {"memo"}),
    (addresses_unnoticed, {"memo"}),
    (sleeps_through, {"memo"}),
    (summed_once, {"memo"}),
    (windows_counted_anew, {"memo"}),
    (routes_of_the_dead_kept, {"rejected", "unready", "gateway", "quiet", "drain"}),
)
"""Each defect, and the rules by which it may be found."""
