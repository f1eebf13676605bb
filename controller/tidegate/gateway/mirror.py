"""A route that mirrors: each of its releases behind an internal listener of its own. Pure.

The public listener only splits and mirrors, so that the shadow gets the client's own body; the internal listener merges its
release's parameters and keeps the answer for a comparison (answers.lua). render.py has the routes that lead here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from tidegate.gateway import bootstrap, lines, names, provider, render, replies
from tidegate.gateway.book import Page
from tidegate.gateway.lua import lua
from tidegate.gateway.model import Arm, Route, Upstream
from tidegate.gateway.render import RECORD_STATE, TYPE

ANSWER_BYTES = 32 * 1024
"""What answers.lua keeps of an answer's body; a longer one is told by its `size`, and compared with nobody."""
MOST_ANSWERS = 256 * 1024 * 1024
"""Bytes of answers that nobody has read, after which no more are kept until a reader begins the file anew."""
ANSWER = "tidegate.answer"
_FILTERS = f"{TYPE}.extensions.filters.http"


def listeners(page: Page, record: Path, answers: Path) -> dict[str, bytes]:
    """The internal listeners of a model, by name, as fragments of the listeners file.

    `record`: where a shadow's line is written; `answers`: where the answers of all releases go, a JSON line each.
    """
    return {
        name: orjson.dumps(_listener(name, route, arm, page.upstreams[arm.upstream], record, answers))
        for name, (route, arm) in page.inner.items()
    }


def listener_file(fragments: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The version and the bytes of the listeners file; `fragments` by listener. JSON: they are few."""
    resources_ = b",".join(fragments[name] for name in sorted(fragments))
    version = blake2b(resources_, digest_size=8).hexdigest()
    return version, b'{"version_info":"%s","resources":[%s]}' % (version.encode(), resources_)


def parse_listeners(content: bytes) -> tuple[str, dict[str, bytes]]:
    """The version and the fragments of a listeners file that this module wrote."""
    file = orjson.loads(content)
    return file["version_info"], {one["name"]: orjson.dumps(one) for one in file["resources"]}


def _listener(name: str, route: Route, arm: Arm, upstream: Upstream, record: Path, answers: Path) -> dict[str, Any]:
    shadow = name == names.mirror_name(route, arm)
    routes = [
        _forward(names.shadow_name(route, arm) if shadow else names.cluster_name(arm), route, arm, upstream, shadow)
    ]
    if shadow:
        routes.insert(0, _served_already(arm))
    log = [_answer_log(route, arm, answers)] + (_shadow_logs(record) if shadow else [])
    host = {"name": name, "domains": ["*"], "routes": routes, "request_body_buffer_limit": render.MAX_BODY}
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "inner",
        "codec_type": "AUTO",
        "http_protocol_options": {"accept_http_10": True},
        "upgrade_configs": bootstrap.UPGRADES,
        # What the public listener has settled stays as it is.
        "generate_request_id": False,
        "use_remote_address": False,
        "skip_xff_append": True,
        "server_header_transformation": "PASS_THROUGH",
        "route_config": {
            "name": name,
            "validate_clusters": False,
            "virtual_hosts": [host | ({} if shadow else {"retry_policy": render.RETRY})],
        },
        "access_log": log,
        "local_reply_config": replies.own_answers(),
        "http_filters": [
            {
                "name": "envoy.filters.http.set_filter_state",
                "typed_config": {"@type": f"{_FILTERS}.set_filter_state.v3.Config"},
            },
            {"name": render.USAGE, "disabled": True, "typed_config": lua("json.lua", "usage.lua")},
            {"name": "tidegate.answer", "typed_config": lua("answers.lua", before=_bounds(answers))},
            {
                "name": "envoy.filters.http.lua",
                "disabled": True,
                "typed_config": lua("json.lua", "merge.lua"),
            },
            {
                "name": provider.FILTER,
                "disabled": True,
                "typed_config": lua("json.lua", "provider.lua") | provider.KEEPS_ROUTE,
            },
            render.ROUTER,
        ],
    }
    return {
        "@type": f"{TYPE}.config.listener.v3.Listener",
        "name": name,
        "internal_listener": {},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _bounds(answers: Path) -> str:
    """The numbers and the file of answers.lua, as its first lines."""
    file = json.dumps(str(answers), ensure_ascii=False)
    return f"local FILE, MOST, ANSWER_BYTES = {file}, {MOST_ANSWERS}, {ANSWER_BYTES}\n"


def _served_already(arm: Arm) -> dict[str, Any]:
    """What the release itself has answered is no comparison: it does not get it twice, and no line is written."""
    header = {"name": render.RELEASE_HEADER, "string_match": {"exact": arm.release}}
    return {"name": "served", "match": {"prefix": "/", "headers": [header]}, "direct_response": {"status": 204}}


def _forward(cluster: str, route: Route, arm: Arm, upstream: Upstream, shadow: bool) -> dict[str, Any]:
    # A shadow has its own time; an answer to a client is timed by the public listener.
    limit = render.seconds(upstream.timeout) if shadow else "0s"
    state = {RECORD_STATE: render.record(route, None, arm)}
    return {
        "name": "forward",
        "match": {"prefix": "/"},
        "metadata": {"filter_metadata": {"tidegate": {"route": route.name}}},
        "route": {"cluster": cluster, "timeout": limit, "idle_timeout": limit},
        # The copy comes as the request went to the release that served it.
        "request_headers_to_remove": [render.CONFIG_HEADER],
        "request_headers_to_add": render.choosing(arm),
        "typed_per_filter_config": {
            "envoy.filters.http.set_filter_state": render.filter_state(state),
            **render.merging(arm),
            **render.linking(arm, "/"),
            **render.reading(arm, refuses=shadow),  # of an answer to a client, the public listener keeps it back
        },
    }


def _shadow_logs(record: Path) -> list[dict[str, Any]]:
    """The record of what the shadow answered: not of what its release has served already, whatever status that is given."""
    answered = lines.when(f"'{RECORD_STATE}' in filter_state")
    return [
        one | {"filter": {"and_filter": {"filters": [answered, one["filter"]]}}}
        for one in lines.record_format(record)[:1]
    ]


def _answer_log(route: Route, arm: Arm, answers: Path) -> dict[str, Any]:
    told = {
        **lines.SEEN,
        "route": route.name,
        "role": arm.role,
        "release": arm.release,
        "type": "%RESPONSE_HEADER(CONTENT-TYPE)%",
        "encoding": "%RESPONSE_HEADER(CONTENT-ENCODING)%",
        "size": f"%DYNAMIC_METADATA({ANSWER}:size)%",
        "body": f"%DYNAMIC_METADATA({ANSWER}:body)%",
        "usage": f"%DYNAMIC_METADATA({render.USAGE}:told)%",
        "keeper": f"%DYNAMIC_METADATA({ANSWER}:keeper)%",
        "left_out": f"%DYNAMIC_METADATA({ANSWER}:left_out)%",
    }
    kept = f"'{RECORD_STATE}' in filter_state && '{ANSWER}' in metadata.filter_metadata"
    return lines.log(answers, lines.when(kept), {"json_format": told})
