"""What the gateway answers itself, whatever the reason: JSON that names the route to whom may know it. Pure.

Neighbours: bootstrap.py and mirror.py put it into their listeners; callers.lua and size.lua say some of the sentences.
"""

from __future__ import annotations

from typing import Any

from tidegate.gateway.render import TRACE

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def own_answers() -> dict[str, Any]:
    """Answers that the gateway gives itself are JSON and name the route, whatever the reason."""
    route = "%METADATA(ROUTE:tidegate:route)%"
    told = {"route": route, "request_id": "%REQ(X-REQUEST-ID)%"}
    sentences = {
        "UH,NC": f"route {route} has no ready instance",
        "UF": f"no instance of route {route} could be reached",
        "UC,UR,LR,UPE": f"the instance of route {route} closed the connection before it answered",
        "UT,SI,UMSDR": f"route {route} did not answer in time",
        "UO": f"route {route} has too many requests under way",
        "NR": "no release of this model takes this request",
    }
    # Who has no key need not learn what is served.
    strangers = {"error": "%LOCAL_REPLY_BODY%", "request_id": "%REQ(X-REQUEST-ID)%"}
    hasty = {"error": "too many requests: come again after as many seconds as Retry-After says", **told}
    return {
        "mappers": [
            *(
                {
                    "filter": {
                        "status_code_filter": {"comparison": {"value": {"default_value": code, "runtime_key": "-"}}}
                    },
                    "body_format_override": {"json_format": body},
                }
                for code, body in ((401, strangers), (429, hasty))
            ),
            {
                "filter": {"header_filter": {"header": TRACE}},
                "status_code": 405,
                "headers_to_add": [{"header": {"key": "allow", "value": _METHODS}}],
                "body_format_override": {"json_format": strangers | {"error": "TRACE is not answered here"}},
            },
            *(
                {
                    "filter": {"response_flag_filter": {"flags": flags.split(",")}},
                    "body_format_override": {"json_format": {"error": sentence, **told}},
                }
                for flags, sentence in sentences.items()
            ),
        ],
        "body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%", **told}},
    }
