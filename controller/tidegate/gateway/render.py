"""The routes of a `Table` as the file that Envoy reads while it runs. Pure, and byte for byte repeatable.

A file is put together from fragments, one a model, so that a change costs one of them. cluster.py has the file of clusters,
wire.py the format, names.py the names, bootstrap.py the part that is fixed at start, merge.lua the merging of parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tidegate.gateway import provider, wire
from tidegate.gateway.model import Arm, Route
from tidegate.gateway.names import Shares, mirror_name, prefix, segments, weighted_name
from tidegate.spec.model import Segment

TYPE = "type.googleapis.com/envoy"
ROUTES = "tidegate"
FEATURE_HEADER = "x-tidegate-feature"
RELEASE_HEADER = "x-tidegate-release"
TIMEOUT = "envoy.filters.http.header_mutation"
BY_MODEL = "tidegate.by_model"
CALLERS = "tidegate.callers"
CALLER_HEADER = "x-tidegate-caller"
"""Who calls, as callers.lua found out: no client can set it."""
CONFIG_HEADER = "x-tidegate-config"
"""The name of the file with the release's inference config, for servers that read it themselves: no client can set it."""
TRACE = {"name": ":method", "string_match": {"exact": "TRACE"}}
"""No route takes it: a server that answers it shows what the gateway has added, a provider's credential among it."""
SESSION = "tidegate.session"
RECORD_STATE = "tidegate.record"
USAGE = "tidegate.usage"
MAX_BODY = 64 * 1024 * 1024
"""Bytes of a request body that the gateway holds in memory to merge parameters into; a larger one is answered with 413."""

# These never reached the server, so they are safe for every method. A reset in mid-request is not among them.
RETRY = {
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 16,
    "retry_back_off": {"base_interval": "0.010s", "max_interval": "0.100s"},
}


ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {
        "@type": f"{TYPE}.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": True,
        # A cluster's counts by status, which nobody reads: the record has them. Left out, a request costs a twentieth less.
        "dynamic_stats": False,
    },
}
"""The last filter of every listener: it sends the request to its cluster."""


def model_routes(routes: Sequence[Route], timeouts: Mapping[str, float], shares: Shares) -> bytes:
    """What matches `/<model>/`, as a fragment of the routes file: the model's features, then the model itself.

    `routes` are all of one model. `timeouts` in seconds by upstream. `shares` are the weights to write into the file.
    """
    ordered = sorted(routes, key=lambda route: (route.feature is None, route.feature or ""))
    entries = [_entry(route, segment, timeouts, shares) for route in ordered for segment in segments(route)]
    if ordered[-1].feature is not None:
        entries.append(_nobody(ordered[-1].model, None, f"model {ordered[-1].model} is served to its features only"))
    model = ordered[0].model
    action = {"name": model, "typed_config": {"@type": f"{TYPE}.config.route.v3.RouteList", "routes": entries}}
    return wire.encode("MatchMap", {"map": {f"/{model}/": {"action": action}}})


def _entry(route: Route, segment: str | None, timeouts: Mapping[str, float], shares: Shares) -> dict[str, Any]:
    key = prefix(route, segment)
    weights = shares.get(key)
    entry: dict[str, Any] = {
        "name": key,
        "match": {"prefix": f"/{route.model}/", "headers": _headers(route, segment)},
        "metadata": {"filter_metadata": {"tidegate": {"route": route.name}}},
    }
    if weights is None:
        sentence = f"no release of route {route.name} takes this request"
        return entry | _answer(503, sentence, record(route, segment, None))
    used = [timeouts.get(arm.upstream, 60.0) for arm in route.arms]
    longest = max(used)
    action: dict[str, Any] = {
        "prefix_rewrite": "/",
        "timeout": seconds(longest),
        "idle_timeout": seconds(max(longest, 300.0)),
        "weighted_clusters": {
            "clusters": [_arm(route, segment, arm, weights, timeouts, longest) for arm in route.arms],
            "runtime_key_prefix": key,
        },
    }
    if route.shadow is not None:
        fraction = {"numerator": route.shadow.weight, "denominator": "MILLION"}
        action["request_mirror_policies"] = [
            {
                "cluster": mirror_name(route, route.shadow),
                "runtime_fraction": {"default_value": fraction},
                "disable_shadow_host_suffix_append": True,
            }
        ]
    if route.sticky:
        action["hash_policy"] = [{"header": {"header_name": route.sticky}}]
        action["weighted_clusters"]["use_hash_policy"] = True
        entry["typed_per_filter_config"] = {SESSION: _lua({"header": route.sticky})}
    if CALLER_HEADER in (route.sticky, *(part.header for part in route.segments.values())):
        filters = {**_whatever_arm(), CALLERS: _lua({"chooses": "1"})} | entry.get("typed_per_filter_config", {})
        entry["typed_per_filter_config"] = filters
    return entry | {"route": action}


def _arm(
    route: Route,
    segment: str | None,
    arm: Arm,
    weights: Mapping[str, int],
    timeouts: Mapping[str, float],
    longest: float,
) -> dict[str, Any]:
    name = weighted_name(route, arm)
    filters: dict[str, Any] = {
        "envoy.filters.http.set_filter_state": filter_state({RECORD_STATE: record(route, segment, arm)})
    }
    filters |= reading(arm)
    if route.shadow is None:  # else the copy would have this release's parameters: its internal listener merges them
        filters |= merging(arm) | linking(arm, f"/{route.model}/")
    timeout = timeouts.get(arm.upstream, 60.0)
    if (
        timeout != longest
    ):  # the route has one timeout; a shorter one of an arm travels in the header that Envoy's router reads
        header = {"key": "x-envoy-upstream-rq-timeout-ms", "value": str(max(1, round(timeout * 1000)))}
        filters[TIMEOUT] = _mutating({"request_mutations": [{"append": {"header": header}}]})
    told = _header(RELEASE_HEADER, arm.release)
    mirrored = [told] if route.shadow is not None else []  # the copy says so who has it already
    return {
        "name": name,
        "weight": weights.get(name, 0),
        # An Envoy that a former Tidegate started strips fewer of clients' headers.
        "request_headers_to_remove": [CONFIG_HEADER] if arm.file is not None else [],
        "request_headers_to_add": [*mirrored, *choosing(arm)],
        # What a server says of it itself goes first; to overwrite it would cost a request more than both.
        "response_headers_to_remove": [RELEASE_HEADER],
        "response_headers_to_add": [told],
        "typed_per_filter_config": filters,
    }


def _mutating(mutations: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": f"{TYPE}.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
        "mutations": mutations,
    }


def _headers(route: Route, segment: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [TRACE | {"invert_match": True}]
    if route.feature is not None:
        found.append({"name": FEATURE_HEADER, "string_match": {"exact": route.feature}})
    if segment is not None:
        declared = route.segments[segment]
        found.append({"name": declared.header, "string_match": _string_match(declared)})
    return found


def _string_match(segment: Segment) -> dict[str, Any]:
    if segment.prefix is not None:
        return {"prefix": segment.prefix}
    values = segment.values or ()
    if len(values) == 1:
        return {"exact": values[0]}
    return {"safe_regex": {"regex": "|".join(re.escape(value) for value in values)}}


def _nobody(model: str, feature: str | None, sentence: str) -> dict[str, Any]:
    route = Route(model, feature, ())
    return {
        "name": f"nobody.{model}",
        "match": {"prefix": f"/{model}/"},
        "metadata": {"filter_metadata": {"tidegate": {"route": route.name}}},
    } | _answer(404, sentence, record(route, None, None))


def merging(arm: Arm) -> dict[str, Any]:
    """What has a filter put the arm's inference config into the body, by filter; nothing for an arm without any."""
    if arm.body is None and arm.prompt is None and not arm.examples:
        return {}
    context = {"parameters": _json(arm.body or {}), "override": arm.override}
    if arm.prompt is not None:
        context |= {"prompt": _json({"role": "system", "content": arm.prompt}), "instructions": _json(arm.prompt)}
    if arm.examples:
        context["examples"] = ",".join(_json(message) for message in arm.examples)
    return {"envoy.filters.http.lua": _lua(context)}


def choosing(arm: Arm) -> list[dict[str, Any]]:
    """The header by which a server that has several inference configs as files knows this arm's; none without one."""
    return [_header(CONFIG_HEADER, arm.file)] if arm.file is not None else []


def _header(name: str, value: str) -> dict[str, Any]:
    """A header to add where nobody else's is left: clients' are stripped before the filters (bootstrap.py)."""
    return {"header": {"key": name, "value": value}}


def reading(arm: Arm, *, refuses: bool = True) -> dict[str, Any]:
    """What has a filter read the answer for the record (usage.lua), by filter; nothing for an arm that says nothing there.

    `refuses` False: another model's answer is not kept back here, whatever the arm says.
    """
    if not arm.usage:
        return {}
    return {USAGE: _lua({"reads": "1"} | ({"only": _json(arm.only)} if refuses and arm.only is not None else {}))}


def linking(arm: Arm, front: str) -> dict[str, Any]:
    """What has a filter make a request one to the arm's provider (provider.lua), by filter; nothing for servers of ours."""
    return {provider.FILTER: _lua(provider.context(arm.link, front))} if arm.link is not None else {}


def _lua(context: Mapping[str, str]) -> dict[str, Any]:
    return {"@type": f"{TYPE}.extensions.filters.http.lua.v3.LuaPerRoute", "filter_context": context}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def record(route: Route | None, segment: str | None, arm: Arm | None) -> str:
    """The members of a record line that the choice of route and arm decides, as JSON text between its neighbours."""
    known = {
        "route": route and route.name,
        "model": route and route.model,
        "feature": route and route.feature,
        "segment": segment,
        "role": arm and arm.role,
        "release": arm and arm.release,
        "version": arm and arm.version,
        "config": (arm and arm.config) or None,
        "commit": arm and arm.commit,
    }
    return "," + orjson.dumps(known).decode()[1:-1]


def filter_state(values: Mapping[str, str]) -> dict[str, Any]:
    """Request state that no client can set: filters and the access log read it, it never travels as a header."""
    return {
        "@type": f"{TYPE}.extensions.filters.http.set_filter_state.v3.Config",
        "on_request_headers": [
            {
                "object_key": key,
                "factory_key": "envoy.string",
                "format_string": {"text_format_source": {"inline_string": value.replace("%", "%%")}},
            }
            for key, value in values.items()
        ],
    }


def _whatever_arm() -> dict[str, Any]:
    """What runs from the start where the route, or its arm, is chosen once more: any arm may need any of them."""
    scripts = {name: _lua({}) for name in (USAGE, SESSION, "envoy.filters.http.lua", provider.FILTER)}
    return {**scripts, TIMEOUT: _mutating({})}


def _answer(status: int, sentence: str, record: str) -> dict[str, Any]:
    return {
        "direct_response": {"status": status, "body": {"inline_string": sentence}},
        "typed_per_filter_config": {"envoy.filters.http.set_filter_state": filter_state({RECORD_STATE: record})},
    }


def seconds(value: float) -> str:
    """A duration as Envoy writes it."""
    return f"{value:.3f}s"


def route_file(fragments: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The version and the bytes of the routes file; `fragments` by model.

    Models are found by a prefix tree, so that a request's cost does not grow with their number. A path that is not theirs is
    answered without a word about them.
    """
    sentence = "no model is served at this path" if fragments else "no model is served here yet"
    unknown = {
        "@type": f"{TYPE}.config.route.v3.Route",
        "name": "unknown",
        "match": {"prefix": "/"},
    } | _answer(404, sentence, record(None, None, None))
    # The path says nothing: perhaps the body does (by_model.lua).
    unknown["typed_per_filter_config"] |= {BY_MODEL: _lua({}), **_whatever_arm()}
    matcher = wire.encode("Matcher", {"on_no_match": {"action": {"name": "unknown", "typed_config": unknown}}})
    if fragments:
        path = {"@type": f"{TYPE}.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": ":path"}
        tree = wire.encode("MatcherTree", {"input": {"name": "path", "typed_config": path}})
        tree += wire.put("MatcherTree", "prefix_match_map", b"".join(fragments[model] for model in sorted(fragments)))
        matcher += wire.put("Matcher", "matcher_tree", tree)
    host = {"name": ROUTES, "domains": ["*"], "retry_policy": RETRY, "request_body_buffer_limit": MAX_BODY}
    virtual = wire.encode("VirtualHost", host) + wire.put("VirtualHost", "matcher", matcher)
    config = wire.encode("RouteConfiguration", {"name": ROUTES})
    config += wire.put("RouteConfiguration", "virtual_hosts", virtual)
    return wire.response(wire.put("DiscoveryResponse", "resources", wire.typed("RouteConfiguration", config)))


def parse_routes(content: bytes) -> tuple[str, dict[str, bytes], dict[str, Shares]]:
    """The version, the fragments by model and the shares by model of a routes file that this module wrote."""
    fragments: dict[str, bytes] = {}
    shares: dict[str, Shares] = {}
    config = wire.untyped(next(wire.values("DiscoveryResponse", content, "resources")))
    matcher = next(wire.values("RouteConfiguration", config, "virtual_hosts", "matcher"))
    for pair in wire.values("Matcher", matcher, "matcher_tree", "prefix_match_map", "map"):
        fragment = wire.put("MatchMap", "map", pair)
        ((path, found),) = wire.decode("MatchMap", fragment)["map"].items()
        fragments[path.strip("/")] = fragment
        shares[path.strip("/")] = {
            entry["name"]: {arm["name"]: arm["weight"] for arm in entry["route"]["weighted_clusters"]["clusters"]}
            for entry in found["action"]["typed_config"]["routes"]
            if "route" in entry
        }
    return wire.version(content), fragments, shares
