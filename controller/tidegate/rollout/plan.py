"""What merging a commit would do to each route: its way, steps and their time, containers, approvals. Pure.

Neighbours: intake.py decides the same way when it comes to it; plan_text.py words this for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tidegate.analysis.samples import samples_needed
from tidegate.rollout.intake import is_former, is_rejected
from tidegate.rollout.state import Desired, RouteState
from tidegate.rollout.steps import path
from tidegate.rollout.traffic import hot
from tidegate.spec.policy import Guardrail, PolicyFields, Step
from tidegate.spec.release import Release


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
    KEPT = "kept"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Need:
    """How many candidate requests it takes to see an effect: `what` in words; None: this guardrail never would."""

    what: str
    requests: int | None


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """One route. `shortest` in seconds of evidence; `starts` and `stops`: releases whose containers come and may go."""

    route: str
    way: Way
    now: Release | None = None
    then: Release | None = None
    steps: tuple[Step, ...] = ()
    shortest: float = 0.0
    approvals: tuple[str, ...] = ()
    starts: tuple[Release, ...] = ()
    replicas: int = 1
    stops: tuple[Release, ...] = ()
    needs: tuple[Need, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All routes, by name."""

    routes: tuple[RoutePlan, ...]

    @property
    def changes(self) -> tuple[RoutePlan, ...]:
        """Those routes for which anything happens, or something is wrong."""
        return tuple(route for route in self.routes if route.way not in (Way.NOTHING, Way.KEPT))


def assumed(desired: Mapping[str, Desired | str]) -> dict[str, RouteState]:
    """The states of a world that serves just what a commit asks for: a plan's start without a controller to ask."""
    return {
        route: RouteState(route, stable=wish.release, promoted=(wish.release,))
        for route, wish in desired.items()
        if isinstance(wish, Desired)
    }


def plan(states: Mapping[str, RouteState], desired: Mapping[str, Desired | str]) -> Plan:
    """What each route would do, were `desired` (rollout/routes.py) the branch's head and `states` the present ones."""
    serving = frozenset[str]().union(*(hot(state) for state in states.values()))
    routes = []
    for route in sorted({*states, *desired}):
        state, wish = states.get(route, _parent(states, route)), desired.get(route)
        if wish is None:
            routes.append(_kept(route, state))
        elif isinstance(wish, str):
            routes.append(RoutePlan(route, Way.PROBLEM, state.stable, notes=(wish,)))
        else:
            routes.append(_route(route, state, wish, serving))
    return Plan(tuple(routes))


def _parent(states: Mapping[str, RouteState], route: str) -> RouteState:
    """Where a route without a state begins: a feature at what its model serves, a model at nothing."""
    parent = states.get(route.partition("/")[0]) if "/" in route else None
    if parent is None:
        return RouteState(route)
    return RouteState(route, stable=parent.stable, promoted=parent.promoted)


def _kept(route: str, state: RouteState) -> RoutePlan:
    note = "no longer in git: what serves goes on serving, nothing is stopped"
    if "/" in route:
        note = "its override is gone: it goes back to the model's own release"
    return RoutePlan(route, Way.KEPT, state.stable, notes=(note,))


def _route(route: str, state: RouteState, wish: Desired, serving: frozenset[str]) -> RoutePlan:
    stable, candidate, release = state.stable, state.candidate, wish.release
    if candidate is not None and candidate.release.digest == release.digest:
        edited = ("its policy was edited: that applies from the next step on",)
        notes = edited if candidate.policy != wish.policy else ()
        return RoutePlan(route, Way.GOES_ON, stable, release, notes=notes)
    over = (f"{candidate.release.label} is on trial: it is superseded",) if candidate is not None else ()
    if stable is not None and stable.digest == release.digest:
        return RoutePlan(route, Way.BACK if over else Way.NOTHING, stable, release, notes=over)
    if is_rejected(state, wish):
        return RoutePlan(route, Way.SKIPPED, stable, release, notes=(*over, "this very commit's request was rejected"))
    config_only = stable is not None and stable.workload == release.workload
    starts = () if release.workload in serving else (release,)
    stops = (stable,) if stable is not None and not config_only else ()
    if is_former(state, release, wish.policy.rollback.window):
        note = "at once, without steps" if not starts else "without steps, as soon as it is ready"
        return RoutePlan(
            route, Way.FAST, stable, release, starts=starts, replicas=wish.replicas, stops=stops, notes=(*over, note)
        )
    if stable is None:
        return RoutePlan(route, Way.FIRST, None, release, starts=starts, replicas=wish.replicas)
    steps = path(wish.policy, config_only)
    return RoutePlan(
        route,
        Way.CONFIG if config_only else Way.STEPS,
        stable,
        release,
        steps=steps,
        shortest=sum(step.duration for step in steps),
        approvals=tuple(s.name for s in steps if s.approve == "manual" and s.name not in wish.approvals),
        starts=starts,
        replicas=wish.replicas,
        stops=stops,
        needs=tuple(_needs(wish.policy, steps)),
        notes=(*over, *_risks(wish, steps)),
    )


def _risks(wish: Desired, steps: tuple[Step, ...]) -> Iterable[str]:
    if not wish.policy.guardrails:
        yield "the policy has no guardrails: nothing would notice a bad release"
    if steps and (steps[0].weight or 0.0) >= 1.0:
        yield f"the first step '{steps[0].name}' gives it everything at once"
    for step in steps:
        if step.shadow is not None:
            yield f"step '{step.name}' mirrors traffic, which this version of Tidegate cannot do yet: it holds there"
        elif step.approve == "manual" and step.name in wish.approvals:
            yield f"step '{step.name}' is approved already"
    if wish.hold:
        yield "hold: true keeps it from beginning"


def _needs(policy: PolicyFields, steps: tuple[Step, ...]) -> Iterable[Need]:
    """For each guardrail, at the first share of the traffic: the candidate requests that find a plain effect."""
    share = next((step.weight for step in steps if step.weight is not None and 0 < step.weight < 1), None)
    if share is None:
        return
    for guardrail in policy.guardrails:
        if guardrail.immediate:
            continue
        what, baseline, effect = _effect(guardrail)
        yield Need(what, samples_needed(guardrail, baseline, effect, 1 - policy.confidence, share))


def _effect(guardrail: Guardrail) -> tuple[str, float, float]:
    """An effect worth knowing about: in words, stable's value, and how many times that the candidate's is."""
    metric = guardrail.metric
    better_high = guardrail.limit_name in ("min", "min_ratio", "max_drop")
    if not guardrail.relative:
        factor, word = (0.9, "a tenth below") if better_high else (1.5, "half as much above")
        return f"{metric} {word} its limit", guardrail.limit, factor
    if metric == "error_rate":
        return "error_rate from 1 % to 5 %", 0.01, 5.0
    if metric.startswith("latency"):
        return f"{metric} half as long again", 100.0, 1.5
    if better_high:
        return f"{metric} from 0.90 to 0.80", 0.9, 0.8 / 0.9
    return f"{metric} from 0.10 to 0.20", 0.1, 2.0
