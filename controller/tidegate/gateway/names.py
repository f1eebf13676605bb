"""Names that the gateway's files and Tidegate share: Envoy clusters, runtime keys, and which arm gets how much of which traffic.

Pure. render.py writes them into Envoy's files, weights.py into the runtime layer, applying.py compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b

from tidegate.gateway.model import Arm, Route
from tidegate.spec.errors import InternalError

Shares = Mapping[str, Mapping[str, int]]
"""By runtime prefix (one entry of one route), by cluster: the weight, in millionths."""

SHADOW = "shadow"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def cluster_name(arm: Arm) -> str:
    """The Envoy cluster of one release on one upstream. No dots: they would be folders in the runtime layer.

    A cluster is named for its release too: after a change of the inference config alone both arms use the same upstream,
    and Envoy keeps weights by cluster name.
    """
    return f"{_safe(arm.upstream)}~{_safe(arm.release)}"


def inner_name(route: Route, arm: Arm) -> str:
    """The internal listener of one release on a route that mirrors, and the cluster that leads to it."""
    return f"{cluster_name(arm)}~{_safe(route.name)}"


def mirror_name(route: Route, arm: Arm) -> str:
    """The internal listener of a route's shadow, and the cluster that leads to it."""
    return f"{inner_name(route, arm)}~mirror"


def shadow_name(route: Route, arm: Arm) -> str:
    """The cluster of a route's shadow: of its own, or its requests would count as those of a release that has users."""
    return f"{inner_name(route, arm)}~{SHADOW}"


def weighted_name(route: Route, arm: Arm) -> str:
    """The cluster that an arm's weight is kept by."""
    return inner_name(route, arm) if route.shadow is not None else cluster_name(arm)


def behind(weighted: str) -> str:
    """The cluster of the servers that an arm's weight is for: on a route that mirrors, a listener stands between."""
    return "~".join(weighted.split("~")[:2])


def _safe(text: str) -> str:
    plain = _UNSAFE.sub("_", text)
    return plain if plain == text else f"{plain}-{blake2b(text.encode(), digest_size=3).hexdigest()}"


def prefix(route: Route, segment: str | None) -> str:
    """The runtime key prefix of one entry; segment None is the rest of the traffic."""
    return f"weights.{route.name.replace('/', '+')}.{segment or '_'}"


def segments(route: Route) -> Iterator[str | None]:
    """The entries of a route in matching order: each declared segment, then the rest."""
    yield from route.segments
    yield None


def arm_weights(route: Route, segment: str | None) -> dict[str, int]:
    """Weight of each arm's cluster in one entry, in the order of the arms: what it has in the segment, else its plain weight.

    Raises InternalError when two arms are the same release on the same upstream.
    """
    weights = {
        weighted_name(route, arm): arm.weight if segment is None else arm.segment_weights.get(segment, arm.weight)
        for arm in route.arms
    }
    if len(weights) != len(route.arms):
        raise InternalError(f"route {route.name} has the same release on two arms", where="gateway table")
    return weights


def route_shares(route: Route) -> dict[str, dict[str, int]]:
    """The weights of every entry of a route that somebody serves."""
    found = ((prefix(route, segment), arm_weights(route, segment)) for segment in segments(route))
    return {key: weights for key, weights in found if sum(weights.values()) > 0}


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080` (which is 127.0.0.1 here)."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    return ("127.0.0.1" if host == "localhost" else host), int(port)
