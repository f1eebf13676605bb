"""The rules for the end of a story: after a quiet time what runs is what git asks for, and nothing is left over.

Neighbours: sim_watch.py has the rules for all the time before, and what these two share.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from sim_git import BRANCH
from sim_world import T0, World

from tidegate.gitrepo.mirror import NOTES_REF
from tidegate.rollout.state import Desired, RouteState
from tidegate.rollout.traffic import hot

if TYPE_CHECKING:
    from sim_pilot import Pilot
    from sim_watch import Turned

REACT = 9.0
"""Seconds in which a controller that is up, in a world that is well, has to have set something right."""
STALE = 6.0
"""How old the controller's knowledge of a server may be: a look each second, three probes, a pass."""


class AtTheEnd(ABC):
    """What has to be so when nothing happens any more. `rests`: whether that is so yet."""

    world: World
    pilots: list[Pilot]
    states: dict[str, Any]
    turned: list[Turned]
    dropped: dict[str, float]
    _calm: float

    @abstractmethod
    def broken(self, rule: str, text: str, cause: BaseException | None = None) -> None:
        """A rule does not hold."""

    @abstractmethod
    def _somebody(self, doc: Any) -> bool:
        """Whether a release that may take a route's traffic serves."""

    def rests(self) -> bool:
        """Whether nothing is left to do: no trial, nothing owed, everything told."""
        pilot = next((one for one in self.pilots if not one.dead and one.controller is not None), None)
        controller = pilot.controller if pilot is not None else None
        return (
            controller is not None
            and controller.steering.settled
            and all(s.candidate is None and not s.duties and not s.degraded for s in controller.routes.states.values())
            and controller.snapshot.commit == self.world.store.refs.get(BRANCH)
            and all(wish is None or _asked(state, wish) for state, wish in self._wishes(controller))
        )

    def _wishes(self, controller: Any) -> list[tuple[RouteState, Desired | None]]:
        wishes = controller.routes.wishes(controller.snapshot)
        return [(state, wishes[route]) for route, state in controller.routes.states.items()]

    def quiet(self) -> None:
        """After a quiet time what runs is what git asks for, or it is said why not; and nothing is left over."""
        pilot = next((one for one in self.pilots if not one.dead and one.controller is not None), None)
        if pilot is None or pilot.controller is None:
            self.broken("quiet", "no controller runs")
            return
        controller = pilot.controller
        wishes = controller.routes.wishes(controller.snapshot)
        head = self.world.people.head
        if controller.snapshot.commit != (head.id if head else None):
            self.broken("quiet", f"the controller is at {controller.snapshot.commit}, git at {head and head.id}")
        for route, asked in controller.snapshot.desired.items():
            if (
                isinstance(asked, Desired)
                and route not in controller.routes.states
                and f"promoted {route}" not in controller.problems
            ):
                feature = "/" in route
                if (
                    not feature
                    or controller.routes.states.get(route.partition("/")[0], RouteState("")).stable is not None
                ):
                    self.broken("quiet", f"git asks for {route}, and nobody knows it")
        for route, state in controller.routes.states.items():
            self._settled(pilot, route, state, wishes[route])
            self._reverts(route)
        self._leaks(pilot)

    def _settled(self, pilot: Pilot, route: str, state: RouteState, wish: Desired | None) -> None:
        controller, world = pilot.controller, self.world
        assert controller is not None
        if f"state of {route}" in controller.problems:
            self.broken("defect", f"{controller.problems[f'state of {route}']}")
        for duty in state.duties:
            if route not in controller.duties.errors:
                self.broken("quiet", f"{route}: git is still owed {duty.id}, and nobody says why")
        trial = state.candidate
        if wish is not None:
            digest = wish.release.digest
            if trial is not None and trial.release.digest == digest:
                if not self._waits(pilot, state):
                    self.broken(
                        "quiet",
                        f"{route}: {trial.release.version} neither goes on nor says why ({trial.hold} {trial.hold_reason})",
                    )
            elif (state.stable is None or state.stable.digest != digest) and not any(
                one.digest == digest for one in state.rejected
            ):
                self.broken(
                    "quiet",
                    f"{route}: git asks for {wish.release.version}, it serves {state.stable and state.stable.version}",
                )
        if state.stable is None:
            return
        live = {world.envoy.arms[cluster].release: share for cluster, share in world.envoy.shares(route, None).items()}
        told = {name: weight / 100 for name, weight in controller.deciding.traffic[route].weights.items()}
        if {name: round(share, 6) for name, share in live.items()} != {
            name: round(share, 6) for name, share in told.items()
        }:
            self.broken("quiet", f"{route}: the gateway serves {live}, and {told} was decided")
        if trial is None and self._somebody(self.states[route]) and set(live) != {state.stable.id}:
            ready = [
                box.name
                for box in world.boxes.values()
                if box.digest == state.stable.workload and box.answers(world.mono)
            ]
            if ready:
                self.broken("quiet", f"{route}: {state.stable.id} is stable and ready, and {live} serve")

    def _waits(self, pilot: Pilot, state: RouteState) -> bool:
        """Whether what the candidate says it waits for is so."""
        trial, world = state.candidate, self.world
        assert trial is not None
        answering = any(b.digest == trial.release.workload and b.answers(world.mono) for b in world.boxes.values())
        if trial.hold is None and trial.step < 0 and not answering:
            return True  # it is being started: its status says why it is not ready
        if trial.hold is None:
            return trial.step >= 0 and pilot.world.mono - (trial.step_started_at - T0 - world.offset) < 60
        match trial.hold.value:
            case "no_data" | "too_few" | "source_down":
                return world.offset < -60  # the record's times are long past: nothing is judged until they are not
            case "not_ready":
                how = world.behaviours.get(f"{trial.release.model} {trial.release.version}", "good")
                stable = state.stable
                other = world.behaviours.get(f"{stable.model} {stable.version}", "good") if stable else "good"
                return how != "good" or other != "good"
            case "manual" | "approval":
                return True
        return bool(trial.hold_reason)

    def _reverts(self, route: str) -> None:
        """Exactly one revert a rejection, wherever it was pushed; one that a rewritten history left out is owed anew."""
        made: dict[tuple[str, str, str], list[str]] = {}
        store = self.world.store
        for ref, commit, _ in self.world.host.pushed:
            if not ref.startswith("refs/heads/") or commit in self.world.people.forgotten:
                continue
            text = store.commits[commit].message
            trailers = dict(
                line.split(": ", 1) for line in text.rstrip().rpartition("\n\n")[2].splitlines() if ": " in line
            )
            key = (
                trailers.get("Tidegate-Route", ""),
                trailers.get("Tidegate-Release", ""),
                trailers.get("Tidegate-Rejects", ""),
            )
            made.setdefault(key, []).append(ref)
        for (where, release, asked), refs in made.items():
            wanted = [t for t in self.turned if (t.route, t.digest, t.touched) == (where, release, asked)]
            if where == route and len(refs) > len(set(refs)) * max(1, len(wanted)):
                self.broken(
                    "reverts", f"{where}: {len(refs)} reverts of {release[:12]} for {len(wanted)} rejections: {refs}"
                )
            if where == route and not wanted:
                self.broken("reverts", f"{where}: a revert of {release[:12]} that nobody rejected")

    def _leaks(self, pilot: Pilot) -> None:
        controller, world = pilot.controller, self.world
        assert controller is not None
        needed = {digest for state in controller.routes.states.values() for digest in hot(state)}
        known = {route.partition("/")[0] for route, s in controller.routes.states.items() if s.stable or s.candidate}
        for box in world.boxes.values():
            lately = (
                world.mono - max(self.dropped.get(box.digest, 0.0), self._calm) < 30 + REACT
            )  # the longest drain there is
            if not box.foreign and box.digest not in needed and box.model in known and not lately:
                self.broken("leak", f"{box.name} still runs, and nobody needs it")
        if set(self.states) != set(controller.routes.states):
            self.broken(
                "leak", f"the journal has {sorted(self.states)}, the controller {sorted(controller.routes.states)}"
            )
        assert pilot.journal is not None
        if set(pilot.journal.states()) != set(controller.routes.states):
            self.broken("leak", "the journal's rows are not the controller's routes")
        named = {
            cluster for entries in world.envoy.routes.values() for weights in entries.values() for cluster in weights
        }
        upstreams = {world.envoy.arms[cluster].upstream for cluster in named}
        if controller.steering.loading:  # a cluster is there a moment before the routes that name it
            upstreams |= {f"workload-{digest[:16]}" for digest in needed}
        for name in world.envoy.endpoints:
            if name not in upstreams and name not in world.envoy.gone:
                self.broken("leak", f"the gateway still has {name}, and no route names it")
        for route in world.envoy.routes:
            if route not in controller.routes.states:
                self.broken("leak", f"the gateway still has the route {route}")
        for ref in world.store.refs:
            if not ref.startswith((BRANCH, "refs/heads/tidegate/rollback-", "refs/tidegate/production/", NOTES_REF)):
                self.broken("leak", f"the remote has {ref}")
        self._inside(pilot)

    def _just_gone(self) -> set[str]:
        """Servers that went so lately that nobody has looked since."""
        return {name for name, at in self.world.went.items() if self.world.mono - at < STALE}

    def _inside(self, pilot: Pilot) -> None:
        """What the controller keeps in memory follows what it has to do."""
        controller = pilot.controller
        assert controller is not None
        fleet, evidence = controller.fleet, controller.evidence
        trials = {route for route, s in controller.routes.states.items() if s.candidate is not None}
        for what, kept, allowed in (
            ("health", set(fleet.servers.health), {*self.world.boxes, *self._just_gone()}),
            (
                "crashes",
                set(fleet._crashes),
                {need.name(i) for need in fleet._needs.values() for i in range(need.replicas)},
            ),
            ("batchers", set(evidence._batchers), trials),
            ("traffic", set(controller.deciding.traffic), set(controller.routes.states)),
            ("what git was told", set(controller.duties.errors), set(controller.routes.states)),
        ):
            if not kept <= allowed:
                self.broken("leak", f"{what} of {sorted(kept - allowed)} are kept for nobody")


def _asked(state: RouteState, wish: Desired) -> bool:
    """Whether the route serves what git asks for, or has turned it down."""
    digest = wish.release.digest
    serves = state.stable is not None and state.stable.digest == digest
    return serves or any(one.digest == digest for one in state.rejected)
