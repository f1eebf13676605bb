"""Names of what serves: a route is a model or one feature of it; a release is the whole behaviour, one digest.

Neighbours: spec/digest.py computes the digests, rollout/ decides between releases, gateway/ and runtime/ make them so.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Release:
    """What one route can serve: (version, config, runtime). Two releases with one digest behave alike.

    `digest`: 64 hex, the whole behaviour. `workload`: 64 hex, what has to run; releases with the same workload share
    containers, so a config-only change has another digest and the same workload. `config`: name of the InferenceConfig.
    `commit`: where the declaration can be read; not part of the identity.
    """

    model: str
    version: str
    config: str | None
    digest: str
    workload: str
    commit: str = field(compare=False)

    @property
    def id(self) -> str:
        """The short name in headers, records, labels and messages: 12 hex."""
        return self.digest[:12]

    @property
    def label(self) -> str:
        """For people: `digits 2.0.0 (9f3c12ab44d0)`."""
        return f"{self.model} {self.version} ({self.id})"


def route_name(model: str, feature: str | None = None) -> str:
    """`digits`, or `digits/archive` for one feature."""
    return f"{model}/{feature}" if feature else model


def split_route(route: str) -> tuple[str, str | None]:
    """The model and the feature (None for the model's own route)."""
    model, _, feature = route.partition("/")
    return model, feature or None


def route_ref(environment: str, route: str) -> str:
    """The promoted ref of a route. A feature is joined by `+`: git cannot hold both `x/digits` and `x/digits/y`."""
    return f"refs/tidegate/{environment}/{route.replace('/', '+')}"
