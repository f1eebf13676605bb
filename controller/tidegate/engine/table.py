"""From route states and ready instances to the gateway's table. Pure: the gateway room makes it real.

One upstream a workload; releases that differ in their inference config alone share it.
Neighbours: steering.py tells the gateway, catalog.py has the declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tidegate.engine.catalog import Entry
from tidegate.gateway.model import Arm, Route, Table, Upstream
from tidegate.rollout.traffic import Traffic
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model
from tidegate.spec.release import Release, split_route

Endpoints = Callable[[str], tuple[tuple[str, int], ...]]


def upstream_name(workload: str) -> str:
    """The upstream of a workload."""
    return f"workload-{workload[:16]}"


def body_of(protocol: str, config: InferenceConfig | None) -> Mapping[str, Any] | None:
    """What is merged into each JSON request body: OIP takes parameters in `parameters`, OpenAI at the top level."""
    if config is None or not config.parameters or protocol == "http":
        return None
    return {"parameters": dict(config.parameters)} if protocol == "open-inference" else dict(config.parameters)


def build_route(name: str, split: Traffic, model: Model, entry: Callable[[Release], Entry]) -> Route:
    """One route of the table. `model` as it is declared now; `entry` gives a release's own declaration, and may raise."""
    model_name, feature = split_route(name)
    arms = [
        Arm(
            release=arm.release.id,
            role=arm.role,
            version=arm.release.version,
            config=arm.release.config or "",
            commit=arm.release.commit,
            upstream=upstream_name(arm.release.workload),
            weight=arm.weight,
            segment_weights=dict(arm.segments),
            body=body_of(model.protocol, entry(arm.release).config),
        )
        for arm in split.arms
    ]
    return Route(
        model=model_name,
        feature=feature,
        arms=tuple(arms),
        segments=model.segments,
        sticky=model.sticky.header if model.sticky else None,
        moving=split.moving,
    )


def build_table(routes: Iterable[Route], traffic: Mapping[str, Traffic], endpoints: Endpoints) -> Table:
    """The whole table of these routes, with the upstreams that their arms need."""
    kept = sorted(routes, key=lambda route: route.name)
    workloads = {arm.release.workload for route in kept for arm in traffic[route.name].arms}
    upstreams = (Upstream(upstream_name(workload), endpoints(workload)) for workload in sorted(workloads))
    return Table(tuple(upstreams), tuple(kept))
