"""What Envoy would refuse, seen before it is written: one bad route must not keep the others from their update. Pure.

book.py asks for each changed model. What is not foreseen here, Envoy says itself: then applying.py looks for the culprit.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable

from tidegate.gateway import names, provider
from tidegate.gateway.model import Route, Upstream
from tidegate.spec.errors import InternalError

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_MOST = 2**32 - 1
WHOLE = 1_000_000
"""A shadow's share is in millionths."""
_LONGEST = 366 * 24 * 3600.0


def weights(routes: Iterable[Route]) -> str | None:
    """Why the weights of these routes are none; None when they are sound."""
    for route in routes:
        for segment in names.segments(route):
            try:
                found = names.arm_weights(route, segment).values()
            except InternalError as error:
                return error.message
            if min(found, default=0) < 0 or sum(found) > _MOST:
                return f"the weights of {route.name} are not between 0 and {_MOST} in all"
    return None


def problem(routes: Iterable[Route], upstreams: Iterable[Upstream]) -> str | None:
    """What else Envoy would refuse in these routes of one model; None when nothing is known against them."""
    found = (said for one in upstreams for said in _upstream(one)), (said for one in routes for said in _route(one))
    return next((said for several in found for said in several), None)


def _upstream(upstream: Upstream) -> Iterable[str]:
    if upstream.link is not None:
        yield from filter(None, [provider.problem(upstream.link)])
    for host, port in upstream.endpoints if upstream.link is None else ():
        try:
            ipaddress.ip_address(host)
        except ValueError:
            yield f"{host!r} of {upstream.name} is no IP address"
        if not 0 < port < 65536:
            yield f"{port} of {upstream.name} is no port"
    if not 0 < upstream.timeout < _LONGEST:
        yield f"{upstream.timeout} s is no timeout for {upstream.name}"


def _route(route: Route) -> Iterable[str]:
    headers = [segment.header for segment in route.segments.values()] + ([route.sticky] if route.sticky else [])
    for header in headers:
        if not _HEADER.fullmatch(header):
            yield f"{header!r} of {route.name} is no header name"
    if route.shadow is not None and not 0 < route.shadow.weight <= WHOLE:
        yield f"the share of {route.name} that is mirrored is not between 0 and {WHOLE}"
    for arm in (*route.arms, *filter(None, [route.shadow])):
        try:
            json.dumps([arm.body, arm.prompt, arm.examples], ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            yield f"the parameters of {route.name} are no JSON: {error}"
