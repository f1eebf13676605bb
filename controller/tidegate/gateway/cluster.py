"""The clusters of a `Table` as the file that Envoy reads while it runs: the servers, and the way to internal listeners. Pure.

A file is put together from fragments, one a cluster, so that a change costs one of them. render.py has the file of routes,
wire.py the format, names.py the names, provider.py what differs for a provider's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.gateway import provider, wire
from tidegate.gateway.book import Page
from tidegate.gateway.model import Upstream
from tidegate.gateway.render import TYPE

# A keep-alive shorter than that of common servers (gunicorn 2 s, uvicorn 5 s): they close a connection that Envoy no longer uses.
_KEEP_ALIVE = "1.500s"
_LIMITS = {"max_connections": 16384, "max_pending_requests": 16384, "max_requests": 16384, "max_retries": 1024}


def _common(**connections: Any) -> bytes:
    options = {
        "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": connections,
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return wire.encode(
        "Cluster",
        {
            "type": "STATIC",
            "connect_timeout": "1.000s",
            "lb_policy": "LEAST_REQUEST",
            "circuit_breakers": {"thresholds": [_LIMITS]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        },
    )


_CLUSTER = _common(idle_timeout=_KEEP_ALIVE)
"""What all clusters have in common, but for those of servers that close connections without having said so."""
_CLOSING = _common(max_requests_per_connection=1)
# An instance to which no connection could be made, five times on end: each costs a user the time of the attempt. What it
# answers, or not, is the release's word and never a reason. At most half of them rest, so that the others do not drown, and
# Envoy's panic threshold (half) is never reached.
_EJECTION = {
    "outlier_detection": {
        "interval": "1.000s",
        "base_ejection_time": "5.000s",
        "max_ejection_time": "60.000s",
        "max_ejection_percent": 50,
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 5,
        "enforcing_consecutive_5xx": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
    }
}
_EJECTING = wire.encode("Cluster", _EJECTION)


def of_upstream(name: str, upstream: Upstream, *, proven: bool = False) -> bytes:
    """One cluster, as a fragment of the clusters file. A provider's without an endpoint has no credential yet.

    `proven`: of stable releases alone. There an instance that cannot be reached is left out for a while; a candidate's failures
    are evidence, all of them.
    """
    addresses = [{"socket_address": {"address": host, "port_value": port}} for host, port in upstream.endpoints]
    if upstream.link is not None and addresses:
        return _cluster(name, addresses, provider.cluster(upstream.link, _LIMITS))
    common = _CLUSTER if upstream.keep_alive else _CLOSING
    return _cluster(name, addresses, common + (_EJECTING if proven and len(addresses) > 1 else b""))


def leads(content: bytes, name: str, upstream: Upstream) -> bool:
    """Whether a cluster, as a fragment of the clusters file, leads to the addresses of this upstream."""
    return content in (of_upstream(name, upstream), of_upstream(name, upstream, proven=True))


def of_page(page: Page) -> dict[str, bytes]:
    """All clusters of a model, by name: its servers, and what leads to its internal listeners."""
    inner = {name: _cluster(name, [{"envoy_internal_address": {"server_listener_name": name}}]) for name in page.inner}
    return inner | {
        name: of_upstream(name, upstream, proven=name in page.proven) for name, upstream in page.clusters.items()
    }


def _cluster(name: str, addresses: Sequence[Mapping[str, Any]], common: bytes = _CLUSTER) -> bytes:
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    own = {"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}}
    return wire.put("DiscoveryResponse", "resources", wire.typed("Cluster", wire.encode("Cluster", own) + common))


def assemble(fragments: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The version (a digest of the content) and the bytes of the clusters file; `fragments` by cluster."""
    return wire.response(b"".join(fragments[name] for name in sorted(fragments)))


def parse(content: bytes) -> tuple[str, dict[str, bytes]]:
    """The version and the fragments, by cluster, of a clusters file that this module wrote."""
    fragments = {}
    for raw in wire.values("DiscoveryResponse", content, "resources"):
        name = next(wire.values("Cluster", wire.untyped(raw), "name"))
        fragments[name.decode()] = wire.put("DiscoveryResponse", "resources", raw)
    return wire.version(content), fragments
