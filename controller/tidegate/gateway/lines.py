"""The lines that Envoy writes: the prediction record, in two shapes, and what other logs are made of. Pure.

record.py reads them; bootstrap.py puts the record into the public listener, mirror.py the shadow's and the answers' logs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidegate.gateway.entrance import CALLER
from tidegate.gateway.record import FIELDS
from tidegate.gateway.render import RECORD_STATE, SESSION, TYPE, USAGE

_TIME = "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%"
_BEGIN = f'{{"time":"{_TIME}","request_id":"%REQ(X-REQUEST-ID)%"'
_KNOWN = f"%FILTER_STATE({RECORD_STATE}:PLAIN)%%DYNAMIC_METADATA({SESSION}:record)%%DYNAMIC_METADATA({USAGE}:told)%"
_TOOK = ',"status":%RESPONSE_CODE%,"duration_ms":%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%0e-4'
_END = ',"flags":"%RESPONSE_FLAGS%","elapsed_ms":%DURATION%}\n'
SEEN = {
    "time": _TIME,
    "request_id": "%REQ(X-REQUEST-ID)%",
    "status": "%RESPONSE_CODE%",
    "duration_ms": "%DURATION%",
    "flags": "%RESPONSE_FLAGS%",
}


def record_format(record: Path, *, names_callers: bool = False) -> list[dict[str, Any]]:
    """The prediction record, one JSON line a request, in two shapes of which exactly one applies.

    Text rather than JSON format where it can be: Envoy's JSON knows whole milliseconds only, and models answer in less;
    `12340e-4` is a JSON number. Of a request whose client has left there is no time of a last byte, and `0e-4` stands there:
    then it took `elapsed_ms` (record.py). A request that never reached a route (not HTTP, too large headers) has no arm, and
    may have no id.

    An expression costs a thirtieth of a request: the status is asked first, since whatever has one below 400 has reached a
    route, and no filter but an expression knows that there are no flags, so that they are written as Envoy does, `-` for none.
    """
    known = f"'{RECORD_STATE}' in filter_state"
    fine = _all(_status("GE", 100), _status("LE", 399))
    other = _any(_status("LE", 99), _status("GE", 400))
    says = _KNOWN + (f"%DYNAMIC_METADATA({CALLER}:record)%" if names_callers else "")
    caller = {"caller": f"%DYNAMIC_METADATA({CALLER}:name)%"} if names_callers else {}
    return [
        log(record, _any(fine, when(known)), _text(_BEGIN + says + _TOOK + _END)),
        log(record, _all(other, when(f"!({known})")), {"json_format": dict.fromkeys(FIELDS) | SEEN | caller}),
    ]


def _text(line: str) -> dict[str, Any]:
    return {"text_format_source": {"inline_string": line}, "omit_empty_values": True}


def log(record: Path, applies: dict[str, Any], log_format: dict[str, Any]) -> dict[str, Any]:
    """One access log: a line in this format for each request to which the filter applies."""
    return {
        "name": "envoy.access_loggers.file",
        "filter": applies,
        "typed_config": {
            "@type": f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(record),
            "log_format": log_format,
        },
    }


def when(expression: str) -> dict[str, Any]:
    """A log's filter: the requests of which the expression is true."""
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": f"{TYPE}.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                "expression": expression,
            },
        }
    }


def _status(comparison: str, code: int) -> dict[str, Any]:
    found = {"op": comparison, "value": {"default_value": code, "runtime_key": "-"}}
    return {"status_code_filter": {"comparison": found}}


def _all(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}}


def _any(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"or_filter": {"filters": list(filters)}}
