"""What stands before the routes: the certificate, callers' keys, limits, the largest body. Pure.

Keys, limits and certificates stand in files that Envoy watches, so that a change closes no connection; renewal.py writes them.
bootstrap.py puts the filters into the public listener; callers.lua, allowed.lua and size.lua are what they run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from tidegate.gateway.lua import lua
from tidegate.gateway.render import CALLERS, TYPE
from tidegate.spec.callers import Callers, RateLimit

CALLER: Final = "tidegate.caller"
"""The dynamic metadata that says who calls: `name`, `routes` where not all, and `record`, a member of the record's line."""
KEEPS_ROUTE: Final = {"clear_route_cache": False}
"""A route that is chosen twice may come to another arm, whose filters do not run: the scripts say when it must be."""
CERTIFICATE: Final = "certificate"
CLIENT_CA: Final = "client_ca"
CALLER_LIMITS: Final = "tidegate.caller_limits"
ROUTE_LIMITS: Final = "tidegate.route_limits"
_HTTP: Final = f"{TYPE}.extensions.filters.http"
_TLS: Final = f"{TYPE}.extensions.transport_sockets.tls.v3"


@dataclass(frozen=True, slots=True)
class Entrance:
    """The files that Envoy watches, None for what is not asked for, and the largest body in bytes."""

    certificate: Path | None = None
    client_ca: Path | None = None
    keys: Path | None = None
    caller_limits: Path | None = None
    route_limits: Path | None = None
    max_body: int | None = None

    def transport_socket(self) -> dict[str, Any]:
        """What makes a filter chain speak TLS; nothing without a certificate."""
        if self.certificate is None:
            return {}
        common: dict[str, Any] = {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [{"name": CERTIFICATE, "sds_config": _watched(self.certificate)}],
        }
        context: dict[str, Any] = {"@type": f"{_TLS}.DownstreamTlsContext", "common_tls_context": common}
        if self.client_ca is not None:
            context["require_client_certificate"] = True
            common["validation_context_sds_secret_config"] = {
                "name": CLIENT_CA,
                "sds_config": _watched(self.client_ca),
            }
        return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}

    def identifying(self) -> list[dict[str, Any]]:
        """The filter that stands before all others: it knows the caller by the key."""
        return [_discovered(CALLERS, self.keys, f"{_HTTP}.lua.v3.Lua")] if self.keys is not None else []

    def admitting(self) -> list[dict[str, Any]]:
        """The filters that need the route: whether this caller may take it, how often, and with how much."""
        found: list[dict[str, Any]] = []
        if self.keys is not None:
            found.append({"name": "tidegate.allowed", "typed_config": lua("allowed.lua") | KEEPS_ROUTE})
        limits = (CALLER_LIMITS, self.caller_limits), (ROUTE_LIMITS, self.route_limits)
        found += [
            _discovered(name, path, f"{_HTTP}.local_ratelimit.v3.LocalRateLimit") for name, path in limits if path
        ]
        if self.max_body is not None:
            config = lua("size.lua", before=f"MOST = {self.max_body}\n")
            found.append({"name": "tidegate.size", "typed_config": config})
        return found


def _watched(path: Path) -> dict[str, Any]:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def _discovered(name: str, path: Path, kind: str) -> dict[str, Any]:
    """A filter whose settings stand in a file. Without them Envoy answers 500: nobody gets past it."""
    return {"name": name, "config_discovery": {"config_source": _watched(path), "type_urls": [kind]}}


def keys_file(callers: Callers) -> tuple[str, bytes]:
    """The version and the bytes of the file that knows callers by the SHA-256 of their keys."""
    if callers.keys is None:
        return _extension(CALLERS, lua("callers.lua") | KEEPS_ROUTE)
    entries = [
        f'["{key.sha256}"]={{"{key.name}"' + (f',"{_routes(key.routes)}"}}' if key.routes is not None else "}")
        for key in callers.keys
    ]
    known = "KEYS = {" + ",\n".join(entries) + "}\n"
    return _extension(CALLERS, lua("sha256.lua", "callers.lua", before=known) | KEEPS_ROUTE)


def _routes(names: tuple[str, ...]) -> str:
    """A text in which a route is found with a space on each side."""
    return f" {' '.join(names)} "


def caller_limits_file(callers: Callers) -> tuple[str, bytes]:
    """The version and the bytes of the file with a bucket for each caller that has a limit."""
    limits = {key.name: key.limit for key in callers.keys or () if key.limit is not None}
    where = {"metadata_key": {"key": CALLER, "path": [{"key": "name"}]}, "source": "DYNAMIC"}
    return _limits(CALLER_LIMITS, where, limits)


def route_limits_file(callers: Callers) -> tuple[str, bytes]:
    """The same for each route that has a limit. Who is over the own limit takes nothing of the route's: they stand in a row."""
    where = {"metadata_key": {"key": "tidegate", "path": [{"key": "route"}]}, "source": "ROUTE_ENTRY"}
    return _limits(ROUTE_LIMITS, where, callers.limits)


def _limits(name: str, where: Mapping[str, Any], limits: Mapping[str, RateLimit]) -> tuple[str, bytes]:
    always = {"default_value": {"numerator": 100}}
    config = {
        "@type": f"{_HTTP}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": name,
        "filter_enabled": always,
        "filter_enforced": always,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limits": [{"actions": [{"metadata": {"descriptor_key": name, "skip_if_absent": True, **where}}]}],
        "descriptors": _buckets(name, limits),
    }
    return _extension(name, config)


def _buckets(key: str, limits: Mapping[str, RateLimit]) -> list[dict[str, Any]]:
    return [
        {
            "entries": [{"key": key, "value": name}],
            "token_bucket": {
                "max_tokens": limit.burst or limit.requests,
                "tokens_per_fill": limit.requests,
                "fill_interval": f"{limit.per:.3f}s",
            },
        }
        for name, limit in sorted(limits.items())
    ]


def certificate_file(chain: bytes, key: bytes) -> tuple[str, bytes]:
    """The version and the bytes of the file with the certificate and its key, both in PEM."""
    pair = {"certificate_chain": _inline(chain), "private_key": _inline(key)}
    return _file({"@type": f"{_TLS}.Secret", "name": CERTIFICATE, "tls_certificate": pair})


def client_ca_file(authority: bytes) -> tuple[str, bytes]:
    """The version and the bytes of the file with the authority (PEM) that callers' certificates are of."""
    return _file(
        {"@type": f"{_TLS}.Secret", "name": CLIENT_CA, "validation_context": {"trusted_ca": _inline(authority)}}
    )


def _inline(pem: bytes) -> dict[str, str]:
    return {"inline_string": pem.decode("ascii")}


def _extension(name: str, config: Mapping[str, Any]) -> tuple[str, bytes]:
    return _file({"@type": f"{TYPE}.config.core.v3.TypedExtensionConfig", "name": name, "typed_config": config})


def _file(resource: Mapping[str, Any]) -> tuple[str, bytes]:
    version = blake2b(orjson.dumps(resource), digest_size=8).hexdigest()
    return version, orjson.dumps({"version_info": version, "resources": [resource]})
