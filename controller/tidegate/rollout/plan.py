"""What merging a commit would do to each route: its way, steps and their time, servers, approvals, what is seen. Pure.

Neighbours: intake.py decides the same way when it comes to it; sight.py reckons what guardrails see; plan_text.py,
plan_markdown.py and plan_json.py word this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tidegate.rollout.features import homeward
from tidegate.rollout.intake import is_former, is_rejected
from tidegate.rollout.plan_risks import risks_of
from tidegate.rollout.sight import Sight, promotion_wait, sights
from tidegate.rollout.state import Desired, Phase, RouteState
from tidegate.rollout.steps import following, path, present
from tidegate.rollout.traffic import hot
from tidegate.spec.difference import Difference
from tidegate.spec.model import Traffic
from tidegate.spec.pace import Pace, paces
from tidegate.spec.policy import PolicyFields, Step
from tidegate.spec.release import Release, split_route
from tidegate.spec.units import format_duration


class Way(StrEnum):
    """Which way a route takes to what is asked of it."""

    NOTHING = "nothing"
    FIRST = "first_release"
    STEPS = "steps"
    CONFIG = "config_only"
    FAST = "fast_rollback"
    BACK = "back_to_stable"
    SKIPPED = "rejected_before"
    GOES_ON = "goes_on"
    REPLICAS = "replicas"
    KEPT = "kept"
    UNKNOWN = "unknown_base"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class About:
    """What the two commits say of a route besides what it should serve.

    `memory`: bytes of one replica, None where no limit is declared; `served`: False for a model behind somebody's API,
    which has no servers here. `reason_before`: one that still stands there says nothing of this change.
    `unknown`: why what serves now cannot be told. `approvers`: who may approve its steps.
    """

    changes: tuple[Difference, ...] = ()
    traffic: Traffic | None = None
    memory: int | None = None
    memory_before: int | None = None
    replicas_before: int | None = None
    reason_before: str | None = None
    served: bool = True
    approvers: tuple[str, ...] = ()
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step. `seconds`: expected at the declared traffic, `requests`: the candidate's in that time; None: not known."""

    step: Step
    seconds: float | None = None
    requests: float | None = None
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Servers:
    """Servers of a release that start, or that may stop after its promotion. `memory`: bytes of one, where declared."""

    release: Release
    replicas: int
    memory: int | None = None

    @property
    def bytes(self) -> int | None:
        """Of all of them."""
        return None if self.memory is None else self.memory * self.replicas


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """One route. `shortest` and `expected` in seconds of evidence, `wait` the part of `expected` after the last step.

    `expected` None: the traffic is not declared, or some step's segment has no share. `risks` is what a reviewer should
    think about, `notes` what else is so. `standby`: seconds that the release before stays hot.
    """

    route: str
    way: Way
    now: Release | None = None
    then: Release | None = None
    policy: PolicyFields | None = None
    steps: tuple[StepPlan, ...] = ()
    shortest: float = 0.0
    expected: float | None = None
    wait: float = 0.0
    rate: float | None = None
    approvals: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    starts: tuple[Servers, ...] = ()
    stops: tuple[Servers, ...] = ()
    standby: float = 0.0
    sights: tuple[Sight, ...] = ()
    changes: tuple[Difference, ...] = ()
    reason: str | None = None
    owners: tuple[str, ...] = ()
    held: bool = False
    risks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All routes, by name."""

    routes: tuple[RoutePlan, ...]

    @property
    def changes(self) -> tuple[RoutePlan, ...]:
        """Those routes for which anything happens, or something is wrong or worth a word."""
        quiet = (Way.NOTHING, Way.KEPT)
        return tuple(r for r in self.routes if r.way not in quiet or r.changes or r.risks or r.notes)

    @property
    def problems(self) -> tuple[RoutePlan, ...]:
        """Those that could not be followed."""
        return tuple(route for route in self.routes if route.way is Way.PROBLEM)


def assumed(desired: Mapping[str, Desired | str]) -> dict[str, RouteState]:
    """The states of a world that serves just what a commit asks for: a plan's start without a controller to ask."""
    states = {}
    for route, wish in desired.items():
        if isinstance(wish, Desired):
            retire = wish.policy.retire.after if wish.policy.retire is not None else None
            states[route] = RouteState(route, stable=wish.release, promoted=(wish.release,), retire_after=retire)
    return states


def plan(
    states: Mapping[str, RouteState], desired: Mapping[str, Desired | str], about: Mapping[str, About] | None = None
) -> Plan:
    """What each route would do, were `desired` (rollout/routes.py) the branch's head and `states` the present ones."""
    said = about or {}
    serving = frozenset[str]().union(*(hot(state) for state in states.values()))
    asked = {route: wish.release.workload for route, wish in desired.items() if isinstance(wish, Desired)}
    begun: set[str] = set()
    routes = []
    for route in sorted({*states, *desired}):
        others = frozenset(workload for other, workload in asked.items() if other != route)
        planner = _Planner(route, states, desired, said.get(route, About()), serving | begun, others)
        made = planner.plan()
        begun |= {servers.release.workload for servers in made.starts}
        routes.append(made)
    return Plan(tuple(routes))


@dataclass(slots=True)
class _Planner:
    """Plans one route. `running`: workloads that run, or that a route before this one starts; `wanted`: of the others."""

    route: str
    states: Mapping[str, RouteState]
    desired: Mapping[str, Desired | str]
    about: About
    running: frozenset[str]
    wanted: frozenset[str]
    notes: list[str] = field(default_factory=list)

    def plan(self) -> RoutePlan:
        """The route's plan."""
        state, wish = self._state(), self.desired.get(self.route)
        if isinstance(wish, str):
            return RoutePlan(self.route, Way.PROBLEM, state.stable, notes=(wish,))
        if wish is None:
            wish = self._home(state)
            if wish is None:
                return self._kept(state)
            self.notes.append("its override is gone: it goes back to the model's own release")
        made = self._asked(state, wish)
        return replace(
            made,
            changes=self.about.changes,
            reason=wish.reason if wish.reason != self.about.reason_before else None,
            owners=wish.owners,
            held=wish.hold,
            policy=wish.policy,
            notes=(*self.notes, *made.notes),
        )

    def _state(self) -> RouteState:
        """Where the route begins: a feature without a state at what its model serves, else at what it will."""
        known = self.states.get(self.route)
        model, feature = split_route(self.route)
        if known is not None or feature is None:
            return known or RouteState(self.route)
        parent, asked = self.states.get(model), self.desired.get(model)
        if parent is not None and parent.stable is not None:
            return RouteState(self.route, stable=parent.stable, promoted=parent.promoted)
        if isinstance(asked, Desired):
            self.notes.append(f"begins when {model} itself has its first release")
            return RouteState(self.route, stable=asked.release, promoted=(asked.release,))
        return RouteState(self.route)

    def _home(self, state: RouteState) -> Desired | None:
        """What a feature without an override is asked for: what its model serves. None: it has nothing to follow."""
        model, feature = split_route(self.route)
        parent, asked = self.states.get(model), self.desired.get(model)
        if feature is None or parent is None or not isinstance(asked, Desired) or state.stable is None:
            return None
        return homeward(parent, asked)

    def _kept(self, state: RouteState) -> RoutePlan:
        if state.stable is None:
            return RoutePlan(self.route, Way.KEPT)
        note = "no longer in git: what serves goes on serving, nothing is stopped"
        if state.retire_after is not None:
            left = format_duration(state.retire_after)
            note = f"no longer in git: what serves goes on serving for {left}, then its policy's retire lets it go"
        model, feature = split_route(self.route)
        if feature is not None and isinstance(self.desired.get(model), str):
            note = f"{model} cannot be followed: what serves goes on serving"
        return RoutePlan(self.route, Way.KEPT, state.stable, notes=(note,))

    def _asked(self, state: RouteState, wish: Desired) -> RoutePlan:
        stable, candidate, release = state.stable, state.candidate, wish.release
        if self.about.unknown is not None:
            made = self._walk(Way.UNKNOWN, replace(state, stable=None), wish, config_only=False)
            note = f"what serves now cannot be told: {self.about.unknown}"
            return replace(made, notes=(note, "if something serves, this walks the steps beside it", *made.notes))
        if candidate is not None and candidate.release.digest == release.digest:
            return RoutePlan(self.route, Way.GOES_ON, stable, release, notes=self._under_way(state, wish))
        over = (f"{candidate.release.label} is on trial: it is superseded",) if candidate is not None else ()
        if stable is not None and stable.digest == release.digest:
            return self._same(state, wish, over)
        if is_rejected(state, wish):
            note = "this very commit's request was rejected"
            return RoutePlan(
                self.route, Way.SKIPPED, stable, release, notes=(*over, *_turned_down(state, release), note)
            )
        config_only = stable is not None and stable.workload == release.workload
        if is_former(state, release, wish.policy.rollback.window):
            made = self._moved(Way.FAST, state, wish, config_only=config_only)
            note = "without steps, as soon as it is ready" if made.starts else "at once, without steps"
            return replace(made, notes=(*over, note))
        if stable is None:
            made = self._moved(Way.FIRST, state, wish, config_only=False)
            return replace(made, notes=over, risks=tuple(_held(wish)))
        made = self._walk(Way.CONFIG if config_only else Way.STEPS, state, wish, config_only=config_only)
        again = _turned_down(state, release)
        if again:
            again = (*again, "a newer commit asks for it: it is tried again, and promotion takes more proof")
        return replace(made, notes=(*over, *again, *made.notes))

    def _same(self, state: RouteState, wish: Desired, over: tuple[str, ...]) -> RoutePlan:
        """The stable release is asked for: nothing but, perhaps, more or fewer of its servers."""
        stable, before = state.stable, self.about.replicas_before
        if over:
            return RoutePlan(self.route, Way.BACK, stable, wish.release, notes=over)
        if stable is None or before is None or before == wish.replicas or not self.about.served:
            return RoutePlan(self.route, Way.NOTHING, stable, wish.release)
        more = wish.replicas - before
        servers = (Servers(stable, abs(more), self.about.memory),)
        return RoutePlan(
            self.route,
            Way.REPLICAS,
            stable,
            wish.release,
            starts=servers if more > 0 else (),
            stops=servers if more < 0 else (),
        )

    def _under_way(self, state: RouteState, wish: Desired) -> tuple[str, ...]:
        """What an edit changes for a rollout under way."""
        candidate = state.candidate
        if candidate is None:
            return ()
        step = present(candidate)
        if candidate.phase is Phase.HOLDING and candidate.hold_reason:
            self.notes.append(f"it holds: {candidate.hold_reason}")
        if candidate.policy == wish.policy:
            return ()
        if step is None:
            return ("its policy was edited, and its first step has not begun: all of that applies",)
        notes = ["its policy was edited: that applies from the next step on"]
        index = following(candidate, wish.policy)
        steps = path(wish.policy, candidate.config_only)
        after = f"'{steps[index].name}' comes next" if index is not None else "its promotion comes next"
        notes.append(f"'{step.name}' goes on as it began, then {after}")
        if not same_test(candidate.policy, wish.policy):
            notes.append("its guardrails or its confidence change: with that step its evidence begins anew")
        return tuple(notes)

    def _moved(self, way: Way, state: RouteState, wish: Desired, *, config_only: bool) -> RoutePlan:
        """A way without steps: the servers that start, and those that may stop when the release before is let go."""
        stable, release = state.stable, wish.release
        starts, stops = tuple[Servers, ...](), tuple[Servers, ...]()
        if self.about.served and not config_only:
            if release.workload not in self.running:
                starts = (Servers(release, wish.replicas, self.about.memory),)
            if stable is not None and stable.workload not in self.wanted:
                before = self.about.replicas_before or wish.replicas
                stops = (Servers(stable, before, self.about.memory_before),)
        standby = wish.policy.standby if stable is not None else 0.0
        return RoutePlan(self.route, way, stable, release, starts=starts, stops=stops, standby=standby)

    def _walk(self, way: Way, state: RouteState, wish: Desired, *, config_only: bool) -> RoutePlan:
        """A way with steps."""
        policy, traffic = wish.policy, self.about.traffic
        steps = path(policy, config_only)
        walk = paces(steps, traffic, split_route(self.route)[1]) if traffic is not None else None
        each = walk if walk is not None else [None] * len(steps)
        known = [pace for pace in each if pace is not None]
        wait = promotion_wait(policy, known) if known and len(known) == len(steps) else 0.0
        whole = sum(pace.seconds for pace in known) + wait if len(known) == len(steps) and walk is not None else None
        seen = sights(policy, steps, walk)
        made = replace(
            self._moved(way, state, wish, config_only=config_only),
            steps=tuple(_step(s, pace, wish) for s, pace in zip(steps, each, strict=True)),
            shortest=sum(step.duration for step in steps),
            expected=whole,
            wait=wait,
            rate=traffic.of(split_route(self.route)[1]) if traffic is not None else None,
            approvals=tuple(s.name for s in steps if s.approve == "manual" and s.name not in wish.approvals),
            approvers=self.about.approvers or wish.owners,
            sights=seen,
        )
        return replace(made, risks=(*_held(wish), *risks_of(made, wish)))


def _step(step: Step, pace: Pace | None, wish: Desired) -> StepPlan:
    approved = step.approve == "manual" and step.name in wish.approvals
    if pace is None:
        return StepPlan(step, approved=approved)
    return StepPlan(step, pace.seconds, pace.rate * pace.seconds if pace.rate > 0 else 0.0, approved)


def same_test(one: PolicyFields, other: PolicyFields) -> bool:
    """Whether two policies judge alike, as evidence.py has it: a test holds the two together."""
    return one.guardrails == other.guardrails and one.confidence == other.confidence


def _turned_down(state: RouteState, release: Release) -> tuple[str, ...]:
    last = next((r for r in reversed(state.rejected) if r.digest == release.digest), None)
    return (f"turned down before: {last.reason}",) if last is not None else ()


def _held(wish: Desired) -> list[str]:
    return ["hold: true keeps it from beginning"] if wish.hold else []
