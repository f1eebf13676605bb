"""What is fixed when Envoy starts: the listener, the filters, the admin socket. Pure.

cluster.py and render.py write what changes while it runs, lines.py and replies.py the record and the gateway's own answers;
process.py starts Envoy with this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from tidegate.gateway import lines, provider, replies, wire
from tidegate.gateway.entrance import Entrance
from tidegate.gateway.lua import lua
from tidegate.gateway.names import split_address
from tidegate.gateway.render import (
    BY_MODEL,
    CALLER_HEADER,
    CONFIG_HEADER,
    RELEASE_HEADER,
    ROUTER,
    ROUTES,
    SESSION,
    TIMEOUT,
    TYPE,
    USAGE,
)

ADMIN_SOCKET = "admin.sock"
MAX_CONNECTIONS = 65536
UPGRADES = [{"upgrade_type": "websocket"}]

CAUSE_HEADER = "x-tidegate-cause"
"""Of an answer that a front gives itself because the server gave none: Envoy's flags (evaluation/measure.py reads it)."""
_NODE = {"id": "tidegate", "cluster": "tidegate"}
_INTERNAL = [
    {
        "name": "envoy.bootstrap.internal_listener",
        "typed_config": {"@type": f"{TYPE}.extensions.bootstrap.internal_listener.v3.InternalListener"},
    }
]
_FILTERS = f"{TYPE}.extensions.filters.http"
_OPEN = Entrance()
# Servers that hand headers to programs take `_` for `-`: neither form may be forged.
_OWN_HEADERS = f"(x-request-id|{RELEASE_HEADER}|{CALLER_HEADER}|{CONFIG_HEADER})".replace("-", "[-_]")


def bootstrap(
    address: str,
    admin: str | None,
    *,
    clusters: Path,
    listeners: Path,
    routes: Path,
    layer: Path,
    record: Path,
    salt: str,
    entrance: Entrance,
) -> bytes:
    """Envoy's bootstrap file. `address`: where clients call; `admin`: HOST:PORT, or None for a socket in Envoy's folder.

    `clusters`, `listeners` and `routes` are files that it watches, `layer` a symbolic link that it watches, `record` the record
    to append to. `salt`: the secret by which the record hides a sticky header's value (session.lua), letters and digits.
    `entrance`: what stands before the routes.
    """
    rds = {"rds": {"route_config_name": ROUTES, "config_source": _from_file(routes)}}
    return orjson.dumps(
        {
            "node": _NODE,
            "admin": {"address": {"pipe": {"path": ADMIN_SOCKET, "mode": 0o600}} if admin is None else _socket(admin)},
            "layered_runtime": {
                "layers": [{"name": "weights", "disk_layer": {"symlink_root": str(layer), "subdirectory": "tidegate"}}]
            },
            "overload_manager": {
                "resource_monitors": [
                    {
                        "name": "envoy.resource_monitors.global_downstream_max_connections",
                        "typed_config": {
                            "@type": f"{TYPE}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                            "max_active_downstream_connections": MAX_CONNECTIONS,
                        },
                    }
                ]
            },
            # Most arms of a portfolio rest: a worker makes its part of a cluster at its first request there.
            "cluster_manager": {"enable_deferred_cluster_creation": True},
            # With thousands of clusters the statistics would be most of the memory: only those that somebody reads.
            "stats_config": {
                "stats_matcher": {
                    "inclusion_list": {
                        "patterns": [
                            {"prefix": "cluster_manager."},
                            {"prefix": "listener_manager.lds."},
                            {"prefix": "http.tidegate."},
                            {"prefix": "runtime."},
                            {"prefix": "server."},
                            {"prefix": "sds."},
                            {"prefix": "extension_config_discovery."},
                        ]
                    }
                }
            },
            "bootstrap_extensions": _INTERNAL,
            "dynamic_resources": {"cds_config": _from_file(clusters), "lds_config": _from_file(listeners)},
            "static_resources": {
                "listeners": [
                    {
                        "name": "public",
                        "address": _socket(address),
                        # Two gateways must never share a port unseen.
                        "enable_reuse_port": False,
                        "filter_chains": [
                            {
                                "filters": [
                                    {"name": "http", "typed_config": _connection_manager(rds, record, salt, entrance)}
                                ],
                                **entrance.transport_socket(),
                            }
                        ],
                    }
                ]
            },
        },
        option=orjson.OPT_INDENT_2,
    )


def trial(clusters: bytes, routes: bytes, listeners: bytes) -> bytes:
    """A bootstrap that says all at once what these files would say one by one: for an Envoy that only checks it."""
    return _at_once(clusters, routes, listeners, _socket("127.0.0.1:0"), replies.own_answers())


def front(clusters: bytes, routes: bytes, listeners: bytes, socket: Path) -> bytes:
    """The same for an Envoy that serves at this socket file. Its own answers carry `CAUSE_HEADER`: they are no release's."""
    answers, cause = replies.own_answers(), {"header": {"key": CAUSE_HEADER, "value": "%RESPONSE_FLAGS%"}}
    for mapper in answers["mappers"]:
        mapper["headers_to_add"] = [*mapper.get("headers_to_add", ()), cause]
    return _at_once(clusters, routes, listeners, {"pipe": {"path": str(socket), "mode": 0o666}}, answers)


def _at_once(
    clusters: bytes, routes: bytes, listeners: bytes, address: Mapping[str, Any], answers: Mapping[str, Any]
) -> bytes:
    (routing,), named = _resources(routes), _resources(clusters)
    manager = _connection_manager({"route_config": routing}, None) | {"local_reply_config": answers}
    return orjson.dumps(
        {
            "node": _NODE,
            "bootstrap_extensions": _INTERNAL,
            "static_resources": {
                "clusters": named,
                "listeners": [
                    *_plain(orjson.loads(listeners)["resources"]),
                    {
                        "name": "alone",
                        "address": address,
                        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
                    },
                ],
            },
        }
    )


def _resources(file: bytes) -> list[dict[str, Any]]:
    return _plain(wire.decode("DiscoveryResponse", file).get("resources", ()))


def _plain(resources: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != "@type"} for one in resources]


def _socket(address: str) -> dict[str, Any]:
    host, port = split_address(address)
    return {"socket_address": {"address": host, "port_value": port}}


def _from_file(path: Path) -> dict[str, Any]:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def _connection_manager(
    routes: Mapping[str, Any], record: Path | None, salt: str = "", entrance: Entrance = _OPEN
) -> dict[str, Any]:
    return {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "tidegate",
        "codec_type": "AUTO",
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "tidegate"},
        "request_headers_timeout": "30s",
        "upgrade_configs": UPGRADES,
        "normalize_path": True,
        "use_remote_address": True,
        "server_name": "tidegate",
        "server_header_transformation": "APPEND_IF_ABSENT",
        # Every request gets an id of its own: a record line is found by it, and a client must not be able to forge a second one.
        "generate_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": {
                "@type": f"{TYPE}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
            }
        },
        "early_header_mutation_extensions": [
            {
                "name": "strip",
                "typed_config": {
                    "@type": f"{TYPE}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                    "mutations": [
                        {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": _OWN_HEADERS}}}},
                        {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}},
                    ],
                },
            }
        ],
        **routes,
        "access_log": lines.record_format(record, names_callers=entrance.keys is not None) if record else [],
        "local_reply_config": replies.own_answers(),
        "http_filters": [
            *entrance.identifying(),
            {
                "name": BY_MODEL,  # before all others, which go by the route that it finds
                "disabled": True,
                "typed_config": lua("json.lua", "by_model.lua"),
            },
            *entrance.admitting(),
            {
                "name": SESSION,
                "disabled": True,  # only a route with a sticky header pays for it
                "typed_config": lua("sha256.lua", "session.lua", before=f'SALT = "{salt}"\n'),
            },
            {
                "name": "envoy.filters.http.set_filter_state",
                "typed_config": {"@type": f"{_FILTERS}.set_filter_state.v3.Config"},
            },
            {
                "name": TIMEOUT,
                "disabled": True,  # only an arm whose timeout is not its route's
                "typed_config": {"@type": f"{_FILTERS}.header_mutation.v3.HeaderMutation"},
            },
            {
                "name": USAGE,
                "disabled": True,  # only an arm whose answers say something of themselves pays for it
                "typed_config": lua("json.lua", "usage.lua"),
            },
            {
                "name": "envoy.filters.http.lua",
                "disabled": True,  # only an arm with inference parameters pays for it
                "typed_config": lua("json.lua", "merge.lua"),
            },
            {
                "name": provider.FILTER,
                "disabled": True,  # only an arm that a provider serves
                "typed_config": lua("json.lua", "provider.lua") | provider.KEEPS_ROUTE,
            },
            ROUTER,
        ],
    }
