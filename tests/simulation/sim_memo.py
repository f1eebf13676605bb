"""The rule `memo`: what the controller remembers between passes is what it would reckon anew from the world it knows.

A pass looks only at what changed, so whatever is remembered too long would go unnoticed until somebody is hurt by it.
Neighbours: sim_watch.py asks after passes; engine/ has the memories (resting, servers, demand, table).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tidegate.engine.demand import DRAIN, Demand
from tidegate.engine.evidence import trial_of
from tidegate.engine.servers import Servers
from tidegate.engine.table import Tables, build_route
from tidegate.rollout.rest import rests_until
from tidegate.rollout.state import Desired
from tidegate.rollout.traffic import hot, traffic
from tidegate.spec.release import split_route


def stale(controller: Any, now: float) -> Iterator[str]:
    """What is remembered and is not so, in words. Right after a pass that the journal took in."""
    if not controller._known:
        return
    yield from _git(controller)
    yield from _servers(controller.fleet.servers)
    yield from _routes(controller, now)
    yield from _demand(controller)
    yield from _fleet(controller.fleet)
    yield from _windows(controller)
    steering = controller.steering
    if steering.settled and not (steering._behind or steering._stale or steering._changed):
        yield from _table(controller)


def _git(controller: Any) -> Iterator[str]:
    """What git asks for, read from the commit as if none before it had been read. Once a commit."""
    told = controller.snapshot
    if told.commit is None or getattr(controller, "audited", None) == told.commit:
        return
    controller.audited = told.commit
    anew = controller.source.at(told.commit)
    if (told.subject, told.findings, list(told.declared.models)) != (
        anew.subject,
        anew.findings,
        list(anew.declared.models),
    ):
        yield f"what stands in {told.commit[:12]}: {told.findings}, not {anew.findings}"
    for route in {**told.desired, **anew.desired}:
        asked = [side.desired.get(route) for side in (told, anew)]
        plain = [
            replace(one, release=replace(one.release, commit="")) if isinstance(one, Desired) else one for one in asked
        ]
        if plain[0] != plain[1]:
            yield f"what git asks of {route}: {plain[0]}, not {plain[1]}"


def _servers(servers: Servers) -> Iterator[str]:
    """How ready each workload is, reckoned anew over all of them."""
    by_workload: dict[str, list[str]] = {}
    for one in sorted(servers.instances.values(), key=lambda one: (one.replica, one.name)):
        by_workload.setdefault(one.digest, []).append(one.name)
    if by_workload != {workload: [one.name for one in servers.of(workload)] for workload in servers._by_workload}:
        yield "the instances by workload"
    before, counts = dict(servers.readiness()), dict(servers.replicas())
    for workload in {*before, *by_workload, *servers._wanted, *servers._failed}:
        servers._reckon(workload)
        if before.get(workload) != servers.readiness().get(workload):
            yield f"the readiness of {workload[:12]}: {before.get(workload)}, not {servers.readiness().get(workload)}"
        if counts.get(workload) != servers.replicas().get(workload):
            yield f"how many answer of {workload[:12]}: {counts.get(workload)}, not {servers.replicas().get(workload)}"


def _routes(controller: Any, now: float) -> Iterator[str]:
    """Who rests is at rest, on what is so now; and traffic is what state and readiness say."""
    routes, snapshot = controller.routes, controller.snapshot
    ready, news = controller.fleet.servers.readiness(), controller.fleet.servers._news
    awake = set(routes.resting.awake())
    if set(routes.owing) != {route for route, state in routes.states.items() if state.duties}:
        yield f"who owes git anything: {sorted(routes.owing)}"
    for route, state in routes.states.items():
        if route in awake:
            continue
        until = rests_until(state, routes.wish(snapshot, route), gone=snapshot.gone(route))
        if until is None or now >= until + 3.0:  # a pass may be late
            yield f"{route} rests, and is in motion"
        rests, told = routes.resting._rests[route], hot(state) & news
        if {w: r for w, r in rests.items() if w not in told} != {w: ready.get(w) for w in hot(state) - told}:
            yield f"{route} rests on {rests}"
        if not told and controller.deciding.traffic[route] != traffic(state, ready):
            yield f"the traffic of {route}"
    waiting = {route for route, found in snapshot.desired.items() if isinstance(found, Desired)} - set(routes.states)
    if snapshot.commit is not None and snapshot is routes._seen and waiting != set(routes._waiting):
        yield f"who waits for a state: {routes._waiting}, not {sorted(waiting)}"


def _demand(controller: Any) -> Iterator[str]:
    """What has to run, summed up anew over all routes."""
    known, news = controller._demand, controller.fleet.servers._news
    anew = Demand(known._make, controller.fleet.running)
    for route, state in controller.routes.states.items():
        wish = controller.snapshot.wish(route)
        drain = wish.policy.drain if wish is not None else None
        anew.look(state, controller.routes.wish(controller.snapshot, route), drain)
    skipped = set(known._noted) | {route for one in news for route in known._users.get(one, ())}
    if skipped:  # to be looked at in the next pass: `running` is live
        return
    if {w: need.replicas for w, need in known.needs.items()} != {w: need.replicas for w, need in anew.needs.items()}:
        yield f"what has to run: {known.needs} not {anew.needs}"
    if known.known != anew.known or known.drain != anew.drain or known.unread().keys() != anew.unread().keys():
        yield f"models {sorted(known.known)}, drain {known.drain}, unread {sorted(known.unread())}"
    if not known._parts:
        assert known.drain == DRAIN


def _fleet(fleet: Any) -> Iterator[str]:
    """Every wanted instance is looked at now, or at its time; every other one of a known model is on its way out."""
    wanted = {name for need in fleet._needs.values() for name in need.names()}
    if wanted != set(fleet._wanted):
        yield f"which instances are wanted: {sorted(fleet._wanted)}, not {sorted(wanted)}"
    for name in wanted:
        health, instance = fleet.servers.health.get(name), fleet.servers.instances.get(name)
        calm = health is not None and health.ready and instance is not None and instance.running
        if name not in fleet._restless and not (calm and fleet._calm._at.get(name) == health.next_at):
            yield f"nobody looks after {name}"
    surplus = {
        one.name
        for one in fleet.instances()
        if one.name not in wanted and one.model in fleet._known and one.digest not in fleet._unread
    }
    if surplus != set(fleet._surplus):
        yield f"which instances are too many: {sorted(fleet._surplus)}, not {sorted(surplus)}"


def _windows(controller: Any) -> Iterator[str]:
    """Whoever is judged is listened to, and the windows to come have numbers that were not taken in yet."""
    evidence = controller.evidence
    for route, state in controller.routes.states.items():
        trial, candidate = trial_of(state), state.candidate
        if evidence._trials.get(route) != (trial.name if trial is not None else None):
            yield f"whose evidence is gathered for {route}: {evidence._trials.get(route)}, not {trial}"
        elif trial is not None and trial.stable is not None and candidate is not None:
            number = evidence._batchers[route].next_id
            if number <= candidate.last_batch:
                yield f"the next window of {route} has number {number}, and {candidate.last_batch} was taken in"


def _table(controller: Any) -> Iterator[str]:
    """The gateway's table, built anew from all routes, with the addresses of now."""
    steering, deciding, servers = controller.steering, controller.deciding, controller.fleet.servers
    anew = Tables()
    for route in controller.routes.states:
        model = controller.snapshot.model(split_route(route)[0])
        built, split = steering._routes.get(route), deciding.traffic[route]
        if built is None or (model is None and not split.arms):
            continue
        if model is None or route in steering.unreadable:
            anew.put(built[2], built[0], servers.endpoints)
        else:
            anew.put(build_route(route, split, model, steering._catalog.entry), split, servers.endpoints)
    told, now = steering._tables.table(), anew.table()
    if told.routes != now.routes:
        yield f"the routes of the table: {told.routes}, not {now.routes}"
    told_of = {one.name: one.endpoints for one in told.upstreams}
    late = {f"workload-{workload[:16]}" for workload in servers._news}
    for one in now.upstreams:
        if one.name not in late and told_of.get(one.name) != one.endpoints:
            yield f"the addresses of {one.name}: {told_of.get(one.name)}, not {one.endpoints}"
