"""Runs a controller until it is told to stop: hints and timers wake it, and once a second it writes down how things are.

A pass that fails is told and tried again; only a defect ends the loop. Neighbours: build.py has the parts, loop.py the pass.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from tidegate.engine.build import Parts
from tidegate.engine.hints import Hint
from tidegate.engine.live import write_live
from tidegate.engine.status import acting_doc, live_doc, problem_doc
from tidegate.engine.summary import route_doc
from tidegate.gitrepo.watch import Watch
from tidegate.rollout.traffic import Traffic
from tidegate.spec.errors import RetryLater

log = logging.getLogger(__name__)

LIVE_EVERY = 0.5


class Runner:
    """One controller process. `stop` may be called from a signal handler or another thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started_at = parts.now()
        self._next_live = 0.0
        self._told_events = 0
        self._stopped = False
        self._status: dict[str, Any] = {}
        declared = parts.settings.controller
        self._watch = Watch(parts.settings.repository, declared.branch, self.hint_git)

    def stop(self) -> None:
        """End after the present pass."""
        self._stopped = True
        self._parts.hints.give(Hint.STOP)

    def hint_git(self) -> None:
        """The repository may have changed."""
        self._parts.hints.give(Hint.GIT)

    def status(self) -> dict[str, Any]:
        """The status as it was written last."""
        return self._status

    def run(self) -> None:
        """Pass after pass until `stop`. What serves goes on serving after it.

        Raises NeedsPerson when the gateway cannot be started at all (its address is in use), LeaseLost when another controller
        acts by now.
        """
        parts, controller = self._parts, self._parts.controller
        try:
            controller.steering.start()
        except RetryLater as error:  # a full disk, a slow start: each pass tries again
            log.warning("the gateway does not run yet: %s", error)
        parts.runtime.watch(lambda: parts.hints.give(Hint.RUNTIME))
        hints = {Hint.GIT, Hint.RUNTIME}
        try:
            while not self._stopped:
                if Hint.GIT in hints or controller.ticks % 100 == 0:
                    self._watch.start()
                pause = controller.tick(hints)
                self._tell()
                hints = parts.hints.take(pause)
        finally:
            self._watch.stop()

    def _tell(self) -> None:
        """Twice a second, and at once when something happened."""
        now, events = self._parts.now(), self._parts.controller.events
        if now < self._next_live and events == self._told_events:
            return
        self._next_live, self._told_events = now + LIVE_EVERY, events
        self._status = self._doc(now)
        try:
            write_live(self._parts.settings.state, self._status)
        except OSError as error:
            log.warning("the status cannot be written: %s", error)

    def _doc(self, now: float) -> dict[str, Any]:
        parts, controller = self._parts, self._parts.controller
        declared = parts.settings.controller
        ready = {digest: readiness.value for digest, readiness in controller.fleet.readiness().items()}
        why = controller.fleet.servers.why()
        snapshot = controller.snapshot
        routes = []
        for name, state in sorted(controller.routes.states.items()):
            wish = snapshot.desired.get(name)
            error = controller.problems.get(f"route {name}")
            routes.append(
                route_doc(
                    state,
                    controller.deciding.traffic.get(name, Traffic()),
                    now,
                    ready=ready,
                    why=why,
                    meters=controller.evidence.meters(name),
                    git=controller.duties.said.get(name),
                    problem=wish if isinstance(wish, str) else str(error) if error else None,
                    validation=controller.validation.told(state),
                    sources=controller.sources.status(name),
                )
            )
        problems = [problem_doc(error) for error in controller.problems.values()]
        problems += [problem_doc(error) for error in controller.duties.errors.values()]
        problems += [problem_doc(error) for error in controller.sources.problems()]
        problems += [
            {"message": f"{one.path}:{one.line}:{one.column}: {one.message}", "fix": one.fix}
            for one in snapshot.findings
            if one.severity == "error"
        ]
        known = {route["route"] for route in routes}
        problems += [
            {"message": wish, "fix": "correct the file; until then nothing changes for this route"}
            for name, wish in sorted(snapshot.desired.items())
            if isinstance(wish, str) and name not in known
        ]
        return live_doc(
            at=now,
            started_at=self._started_at,
            settings={
                "instance": declared.instance,
                "environment": declared.environment,
                "runtime": parts.runtime.kind,
                "address": declared.gateway.address,
            },
            commit=snapshot.commit,
            subject=snapshot.subject,
            routes=routes,
            instances=[
                {
                    "name": one.name,
                    "model": one.model,
                    "version": one.version,
                    "running": one.running,
                    "ref": one.ref,
                    "address": f"{one.address[0]}:{one.address[1]}" if one.address else None,
                }
                for one in sorted(controller.fleet.instances(), key=lambda one: one.name)
            ],
            problems=problems,
            gateway_alive=parts.gateway.alive(),
            acting=acting_doc(parts.journal.holder),
            record={
                **controller.evidence.lost(),
                "losses": controller.losses.newest(),
                "archive": controller.archiving.status() if controller.archiving is not None else None,
            },
            feedback=controller.sources.feedback(),
        )


def open_parts(make: Callable[[], Parts], wait: Callable[[float], bool]) -> Parts | None:
    """Open everything, again and again while what fails may pass by itself (an engine that is still starting).

    `wait` sleeps so many seconds and says whether to give up. Raises NeedsPerson at once.
    """
    told = ""
    while True:
        try:
            return make()
        except RetryLater as error:
            if error.message != told:  # once, however long another controller acts
                log.warning("waits: %s", error)
                told = error.message
            if wait(max(1.0, error.delay)):
                return None
