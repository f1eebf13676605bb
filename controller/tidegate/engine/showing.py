"""What a running controller shows of itself: one document a route, made anew when the route moves, else in turn.

A portfolio of any size costs the same each time: so many routes are looked at, and what rests is written down seldom.
Neighbours: summary.py words one route, live.py writes the files, runner.py says when.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from tidegate.engine.build import Parts
from tidegate.engine.figures import stranger_fix
from tidegate.engine.source import Snapshot
from tidegate.engine.status import acting_doc, live_doc, problem_doc
from tidegate.engine.summary import route_doc
from tidegate.rollout.traffic import Traffic

AT_ONCE: Final = 500
"""Routes that are looked at each time; and those up to which everything stands in one file."""
A_SECOND: Final = 1000
"""Routes, of a larger portfolio, for each second between two writings of all of them."""

Doc = dict[str, Any]


class Showing:
    """The status as of the last look. Called by the loop's thread; `whole` by any."""

    def __init__(self, parts: Parts, started_at: float) -> None:
        self._parts = parts
        self._started_at = started_at
        self._head: Doc = {}
        self._routes: dict[str, Doc] = {}
        self._turn: dict[str, None] = {}  # who was looked at longest ago stands first
        self._moved: dict[str, None] = {}  # since all were written down
        self._all_at = 0.0
        self._refused: tuple[Snapshot, dict[str, str]] = (Snapshot(), {})

    def look(self, now: float, *, turn: bool) -> None:
        """Look at the routes that move; in their `turn`, also at as many others as there is time for. `now` in epoch seconds."""
        controller = self._parts.controller
        states = controller.routes.states
        for route in [route for route in self._turn if route not in states]:
            del self._turn[route]
            self._routes.pop(route, None)
            self._moved[route] = None
        self._turn |= dict.fromkeys(route for route in states if route not in self._turn)
        moving = [*controller.routes.resting.awake(), *controller.deciding.looked]
        first = dict.fromkeys(route for route in moving if route in states)
        if len(first) > AT_ONCE:  # then all take turns
            first = {}
        others = (route for route in self._turn if route not in first)
        for route in [*first, *islice(others, AT_ONCE - len(first) if turn else 0)]:
            self._routes[route] = self._route(route, now)
            del self._turn[route]
            self._turn[route] = None
        self._moved |= first
        self._head = self._controller(now)

    def whole(self) -> Doc:
        """All of it; empty before the first look."""
        routes = dict(self._routes)
        instances = self._instances()
        return (
            {**self._head, "instances": instances, "routes": [routes[name] for name in sorted(routes)]}
            if self._head
            else {}
        )

    def parts(self, now: float) -> tuple[Doc, Doc | None]:
        """What to write down now: all of it, when that is little; else what moved, and now and then the rest beside it.

        The first names the routes that it has the say on (`moved`): of those it does not show there is nothing to show.
        """
        if len(self._turn) <= AT_ONCE:
            return self.whole(), None
        due = now >= self._all_at or len(self._moved) > AT_ONCE
        if due:
            self._all_at, self._moved = now + len(self._turn) / A_SECOND, {}
        moved = [self._routes[route] for route in self._moved if route in self._routes]
        whole = self.whole() if due else None
        rest = {name: whole[name] for name in ("routes", "instances")} if whole is not None else None
        return {**self._head, "instances": [], "routes": moved, "moved": list(self._moved)}, rest

    def _route(self, name: str, now: float) -> Doc:
        controller = self._parts.controller
        state = controller.routes.states[name]
        wish, error = controller.snapshot.desired.get(name), controller.problems.get(f"route {name}")
        return route_doc(
            state,
            controller.deciding.traffic.get(name, Traffic()),
            now,
            ready=controller.fleet.readiness(),
            why=controller.fleet.servers.why(),
            meters=controller.evidence.meters(name),
            git=controller.duties.said.get(name),
            problem=wish if isinstance(wish, str) else str(error) if error else None,
            validation=controller.validation.told(state),
            sources=controller.sources.status(name),
        )

    def _problems(self) -> list[dict[str, str]]:
        controller, snapshot = self._parts.controller, self._parts.controller.snapshot
        if self._refused[0] is not snapshot:
            asked = sorted(snapshot.desired.items())
            self._refused = (snapshot, {name: wish for name, wish in asked if isinstance(wish, str)})
        problems = [problem_doc(error) for error in controller.problems.values()]
        problems += [problem_doc(error) for error in controller.duties.errors.values()]
        problems += [problem_doc(error) for error in controller.sources.problems()]
        problems += [
            {"message": f"{one.route} {one.version}: {one.sentence}", "fix": stranger_fix(one)}
            for one in controller.evidence.strangers()
        ]
        problems += [
            {"message": f"{one.path}:{one.line}:{one.column}: {one.message}", "fix": one.fix}
            for one in snapshot.findings
            if one.severity == "error"
        ]
        fix = "correct the file; until then nothing changes for this route"
        unknown = (why for name, why in self._refused[1].items() if name not in controller.routes.states)
        return problems + [{"message": why, "fix": fix} for why in unknown]

    def _instances(self) -> list[Doc]:
        return [
            {
                "name": one.name,
                "model": one.model,
                "version": one.version,
                "running": one.running,
                "ref": one.ref,
                "address": f"{one.address[0]}:{one.address[1]}" if one.address else None,
            }
            for one in sorted(self._parts.controller.fleet.instances(), key=lambda one: one.name)
        ]

    def _controller(self, now: float) -> Doc:
        parts, controller = self._parts, self._parts.controller
        declared = parts.settings.controller
        return live_doc(
            at=now,
            started_at=self._started_at,
            settings={
                "instance": declared.instance,
                "environment": declared.environment,
                "runtime": parts.runtime.kind,
                "address": declared.gateway.address,
            },
            commit=controller.snapshot.commit,
            subject=controller.snapshot.subject,
            routes=[],
            instances=[],
            problems=self._problems(),
            gateway={"alive": parts.gateway.alive(), "certificate_ends": parts.gateway.certificate_ends},
            acting=acting_doc(parts.journal.holder),
            record={
                **controller.evidence.lost(),
                "uncompared": controller.shadowing.uncompared,
                "losses": controller.losses.newest(),
                "archive": controller.archiving.status() if controller.archiving is not None else None,
            },
            feedback=controller.sources.feedback(),
        )
