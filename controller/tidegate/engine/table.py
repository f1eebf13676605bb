"""From route states and ready instances to the gateway's table. Pure: the gateway room makes it real.

One upstream a release: two releases of one workload (another config) share containers, never a name in the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.gateway.model import Arm, Route, Table, Upstream
from tidegate.rollout.traffic import Traffic
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model
from tidegate.spec.release import Release, split_route

Endpoints = Callable[[str], tuple[tuple[str, int], ...]]


def upstream_name(release: Release) -> str:
    """The Envoy cluster of a release."""
    return f"release-{release.id}"


def body_of(protocol: str, config: InferenceConfig | None) -> Mapping[str, Any] | None:
    """What is merged into each JSON request body: OIP takes parameters in `parameters`, OpenAI at the top level."""
    if config is None or not config.parameters or protocol == "http":
        return None
    return {"parameters": dict(config.parameters)} if protocol == "open-inference" else dict(config.parameters)


def build_table(
    traffic: Mapping[str, Traffic],
    models: Mapping[str, Model],
    configs: Mapping[str, InferenceConfig | None],
    endpoints: Endpoints,
) -> Table:
    """The whole table. `traffic` by route; `models` by name; `configs` by release digest; `endpoints` by workload."""
    upstreams: dict[str, Upstream] = {}
    routes = []
    for name, split in sorted(traffic.items()):
        model_name, feature = split_route(name)
        model = models.get(model_name)
        arms = []
        for arm in split.arms:
            release = arm.release
            cluster = upstream_name(release)
            upstreams.setdefault(cluster, Upstream(cluster, endpoints(release.workload)))
            protocol = model.protocol if model else "http"
            arms.append(
                Arm(
                    release=release.id,
                    role=arm.role,
                    version=release.version,
                    config=release.config or "",
                    commit=release.commit,
                    upstream=cluster,
                    weight=arm.weight,
                    segment_weights=dict(arm.segments),
                    body=body_of(protocol, configs.get(release.digest)),
                )
            )
        routes.append(
            Route(
                model=model_name,
                feature=feature,
                arms=tuple(arms),
                segments=model.segments if model else {},
                sticky=model.sticky.header if model and model.sticky else None,
                moving=split.moving,
            )
        )
    return Table(tuple(upstreams.values()), tuple(routes))
