"""What a provider's API needs of Envoy: a cluster with TLS and the credential, and what provider.lua is told. Pure.

render.py puts it into the files. The credential itself is in a file of its own that Envoy reads (`secret_file`): it stands in
no other file, and not in what Envoy tells of its configuration.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

import orjson

from tidegate.gateway import wire
from tidegate.gateway.model import Link

FILTER: Final = "tidegate.provider"
KEEPS_ROUTE: Final = {"clear_route_cache": False}
"""For the filter's script: a request whose path and headers are the provider's must find no other route or release."""
SECRET: Final = "credential"  # noqa: S105 the name that Envoy knows it by
_TYPE: Final = "type.googleapis.com/envoy"
_FILTERS: Final = f"{_TYPE}.extensions.filters.http"
_STAYS: Final = (
    "authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-forwarded-for", "x-forwarded-proto",
    "x-envoy-external-address", "x-envoy-internal", "x-tidegate-release", "x-tidegate-feature",
)  # fmt: skip
"""Headers that never reach a provider: taken away once more behind provider.lua, should that one have failed."""
_IDLE: Final = "20.000s"
"""A handshake costs more than a kept connection."""


def cluster(link: Link, limits: Mapping[str, Any]) -> bytes:
    """What a cluster of a provider has beside its name and its address, as bytes of the message `Cluster`."""
    common: dict[str, Any] = {
        "type": "LOGICAL_DNS",
        "connect_timeout": "5.000s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [limits]},
        "dns_lookup_family": "V4_PREFERRED",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": _IDLE},
                "explicit_http_config": {"http_protocol_options": {}},
                "http_filters": _filters(link),
            }
        },
    }
    if link.ca_file:
        common["transport_socket"] = {"name": "tls", "typed_config": _tls(link)}
    return wire.encode("Cluster", common)


def _tls(link: Link) -> dict[str, Any]:
    named = not _is_address(link.host)
    name = {"san_type": "DNS" if named else "IP_ADDRESS", "matcher": {"exact": link.host}}
    context = {"trusted_ca": {"filename": link.ca_file}, "match_typed_subject_alt_names": [name]}
    return {
        "@type": f"{_TYPE}.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"validation_context": context},
    } | ({"sni": link.host} if named else {})


def _filters(link: Link) -> list[dict[str, Any]]:
    source = {"path_config_source": {"path": link.credential}, "resource_api_version": "V3"}
    generic = {
        "@type": f"{_TYPE}.extensions.http.injected_credentials.generic.v3.Generic",
        "credential": {"name": SECRET, "sds_config": source},
        "header": link.header,
    }
    return [
        {
            "name": "strip",
            "typed_config": {
                "@type": f"{_FILTERS}.header_mutation.v3.HeaderMutation",
                "mutations": {"request_mutations": [{"remove": name} for name in _STAYS]},
            },
        },
        {
            "name": SECRET,
            "typed_config": {
                "@type": f"{_FILTERS}.credential_injector.v3.CredentialInjector",
                "overwrite": True,
                "credential": {"name": "generic", "typed_config": generic},
            },
        },
        {
            "name": "envoy.filters.http.upstream_codec",
            "typed_config": {"@type": f"{_FILTERS}.upstream_codec.v3.UpstreamCodec"},
        },
    ]


def context(link: Link, front: str) -> dict[str, str]:
    """What provider.lua goes by. `front`: what stands before a caller's path where the filter runs: `/MODEL/`, or `/`."""
    port = "" if link.port == (443 if link.ca_file else 80) else f":{link.port}"
    host = f"[{link.host}]" if ":" in link.host else link.host
    return {
        "provider": link.provider,
        "front": front,
        "host": f"{host}{port}",
        "base": link.base,
        "query": link.query,
        "paths": f" {' '.join(link.paths)} ",
        "model": orjson.dumps(link.model).decode(),
        "passes": f" {' '.join(link.passes)} ",
        "headers": "\n".join(f"{name}: {value}" for name, value in link.headers),
    }


def secret_file(value: str) -> bytes:
    """The credential as Envoy reads it: to be written with mode 0600, and renamed into its place."""
    secret = {
        "@type": f"{_TYPE}.extensions.transport_sockets.tls.v3.Secret",
        "name": SECRET,
        "generic_secret": {"secret": {"inline_string": value}},
    }
    return orjson.dumps({"resources": [secret]})


def problem(link: Link) -> str | None:
    """What Envoy would refuse in a link; None when nothing is known against it."""
    texts = (link.host, link.base, link.query, link.model, link.header, link.ca_file, link.credential, *link.paths)
    if not all(text.isascii() and text.isprintable() for text in texts):
        return f"the way to {link.provider} is no plain text"
    return None if 0 < link.port < 65536 else f"{link.port} of {link.provider} is no port"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
