"""From route states and ready instances to the gateway's table. No I/O: the gateway room makes it real.

One upstream a workload; releases that differ in their inference config alone share it.
Neighbours: steering.py tells the gateway, catalog.py has the declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tidegate.engine.catalog import Entry
from tidegate.engine.configs import Files, no_file
from tidegate.gateway.model import Arm, Link, Route, Table, Upstream
from tidegate.rollout.traffic import Traffic, TrafficArm
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model
from tidegate.spec.providers import served_as
from tidegate.spec.release import Release, split_route
from tidegate.spec.version import ModelVersion, Provider

Endpoints = Callable[[str], tuple[tuple[str, int], ...]]
Links = Callable[[str, Provider], Link | None]
"""A workload and its provider to the way there."""


def no_link(_workload: str, _provider: Provider) -> Link | None:
    """No way to any provider."""
    return None


def upstream_name(workload: str) -> str:
    """The upstream of a workload."""
    return f"workload-{workload[:16]}"


def upstream_of(arm: Arm, endpoints: tuple[tuple[str, int], ...]) -> Upstream:
    """The upstream of an arm's workload. However many instances a provider's has: they are one address."""
    if arm.link is not None:
        return Upstream(arm.upstream, endpoints[:1], arm.link.timeout, arm.link)
    return Upstream(arm.upstream, endpoints, arm.timeout, keep_alive=arm.keep_alive)


def body_of(protocol: str, config: InferenceConfig | None) -> Mapping[str, Any] | None:
    """What is merged into each JSON request body: OIP takes parameters in `parameters`, OpenAI at the top level.

    For OpenAI also the tools and the shape of the answer; prompt and examples are no members of their own. Servers of plain
    HTTP read their config from a file (configs.py).
    """
    if config is None or protocol == "http":
        return None
    if protocol == "open-inference":
        return {"parameters": dict(config.parameters)} if config.parameters else None
    more = {"tools": list(config.tools) or None, "response_format": config.response_format}
    return {**config.parameters, **{name: value for name, value in more.items() if value is not None}} or None


def only_of(model: Model, version: ModelVersion) -> str | None:
    """The model id that answers must name, where the model refuses others."""
    return served_as(version) if model.on_wrong_model == "refuse" else None


def arm_of(arm: TrafficArm, model: Model, entry: Entry, link: Link | None = None, file: str | None = None) -> Arm:
    """An arm with what its release declares, the way to its provider, its config's `file`. `model` as it is declared now."""
    config, runtime, protocol = entry.config, entry.version.runtime, model.protocol
    found = Arm(
        release=arm.release.id,
        role=arm.role,
        version=arm.release.version,
        config=arm.release.config or "",
        commit=arm.release.commit,
        upstream=upstream_name(arm.release.workload),
        weight=arm.weight,
        segment_weights=dict(arm.segments),
        body=body_of(protocol, config),
        usage=protocol == "openai",
        link=link,
        only=only_of(model, entry.version),
        keep_alive=runtime is None or runtime.keep_alive,
        timeout=model.timeout,
        file=file,
    )
    if config is None:
        return found
    found = replace(found, override=config.client_override)
    if link is not None and link.system and config.system_prompt is not None:
        body = {**(found.body or {}), "system": config.system_prompt}
        return replace(found, body=body, examples=config.examples)
    return replace(found, prompt=config.system_prompt, examples=config.examples) if protocol == "openai" else found


def build_route(
    name: str,
    split: Traffic,
    model: Model,
    entry: Callable[[Release], Entry],
    link: Links = no_link,
    file: Files = no_file,
) -> Route:
    """One route of the table. `model` as it is declared now; `entry` gives a release's own declaration.

    `entry` and `file` may raise.
    """
    model_name, feature = split_route(name)
    arms = []
    for arm in split.arms:
        found = entry(arm.release)
        provider = found.version.provider
        way = link(arm.release.workload, provider) if provider is not None else None
        arms.append(arm_of(arm, model, found, way, file(found)))
    tried = next((arm for arm in arms if arm.role == "candidate"), None)
    return Route(
        model=model_name,
        feature=feature,
        arms=tuple(arms),
        segments=model.segments,
        sticky=model.sticky.header if model.sticky else None,
        moving=split.moving,
        shadow=replace(tried, role="shadow", weight=split.mirror, segment_weights={})
        if tried and split.mirror
        else None,
    )


class Tables:
    """The table kept up to date entry by entry: what did not change is the same object in the next one."""

    def __init__(self) -> None:
        self._routes: dict[str, tuple[Route, frozenset[str]]] = {}
        self._upstreams: dict[str, Upstream] = {}
        self._users: dict[str, dict[str, None]] = {}
        self._arms: dict[str, Arm] = {}
        self._whole: Table | None = None  # put together at the next call, when an entry is another

    def put(self, route: Route, split: Traffic, endpoints: Endpoints) -> set[str]:
        """A route as it is now, made from `split`. The models whose part of the table is another for it."""
        known = self._routes.get(route.name)
        if known is not None and (known[0] is route or known[0] == route):
            return set()
        workloads = frozenset(arm.release.workload for arm in split.arms)
        for given, arm in zip(split.arms, route.arms, strict=True):
            self._arms[given.release.workload] = arm
        before = known[1] if known is not None else frozenset()
        for workload in workloads - before:
            self._users.setdefault(workload, {})[route.name] = None
        self._leave(route.name, before - workloads)
        self._routes[route.name] = (route, workloads)
        self._whole = None
        return {route.model} | self.learnt(workloads, endpoints)  # an arm may say more than where its servers are

    def drop(self, name: str) -> bool:
        """A route that is no more. False when it was none."""
        known = self._routes.pop(name, None)
        if known is not None:
            self._leave(name, known[1])
            self._whole = None
        return known is not None

    def learnt(self, workloads: Iterable[str], endpoints: Endpoints) -> set[str]:
        """Ask for the addresses of these workloads anew. The models whose part of the table is another for it."""
        changed: set[str] = set()
        for workload in workloads:
            if workload not in self._users:
                continue
            upstream = upstream_of(self._arms[workload], endpoints(workload))
            if self._upstreams.get(workload) != upstream:
                self._upstreams[workload] = upstream
                self._whole = None
                changed |= {split_route(route)[0] for route in self._users[workload]}
        return changed

    def table(self) -> Table:
        """The whole table; it does not depend on the order in which its entries came."""
        if self._whole is None:
            upstreams = (self._upstreams[workload] for workload in sorted(self._upstreams))
            self._whole = Table(tuple(upstreams), tuple(self._routes[name][0] for name in sorted(self._routes)))
        return self._whole

    def _leave(self, route: str, workloads: Iterable[str]) -> None:
        for workload in workloads:
            users = self._users[workload]
            del users[route]
            if not users:
                del self._users[workload], self._upstreams[workload], self._arms[workload]
