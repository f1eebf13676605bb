"""One request over HTTP, its failures sorted: out of reach or overloaded (it may pass), or wrong (a person mends it).

Redirects are not followed: a credential goes nowhere but to its address. Neighbours: prometheus.py, webhook.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from tidegate.spec.errors import NeedsPerson, RetryLater

MOST_BYTES = 1 << 20
_SHOWN = 200


async def ask_json(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    form: Mapping[str, str] | None = None,
    body: Any = None,
) -> Any:
    """The JSON of the answer, None for 204. Raises RetryLater when it may pass by itself, NeedsPerson when it will not."""
    where = place(url)
    try:
        sent = {"data": form} if form is not None else {"json": body} if body is not None else {}
        async with session.request(method, url, headers=dict(headers), allow_redirects=False, **sent) as answer:
            content = await answer.content.read(MOST_BYTES + 1)
            while len(content) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES + 1 - len(content))):
                content += more
            status, location = answer.status, answer.headers.get("location", "")
    except aiohttp.ClientConnectorCertificateError as error:
        fix = "give the server a certificate that this machine trusts"
        raise NeedsPerson(f"its certificate is not valid: {error.certificate_error}", where=where, fix=fix) from error
    except (aiohttp.InvalidURL, ValueError) as error:
        raise NeedsPerson(f"it is no address: {error}", where=where, fix="mend the address") from error
    except TimeoutError as error:
        raise RetryLater("no answer in time", where=where) from error
    except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
        raise RetryLater(f"cannot be reached: {_words(error)}", where=where) from error
    _refused(status, location, content, where)
    if len(content) > MOST_BYTES:
        raise NeedsPerson(
            f"the answer has more than {MOST_BYTES:,} bytes", where=where, fix="ask for the one value alone"
        )
    if status == 204:
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise NeedsPerson(f"the answer is no JSON: {shown(content)}", where=where, fix="mend the address") from error


def _refused(status: int, location: str, content: bytes, where: str) -> None:
    if status in (429, *range(500, 600)):
        raise RetryLater(f"it answers {status}: {shown(content)}", where=where)
    if status in (401, 403):
        fix = "write what it wants to be told under sources.credentials in tidegate.yaml"
        raise NeedsPerson(f"it answers {status}: it does not know us", where=where, fix=fix)
    if 300 <= status < 400:
        fix = f"write the address that it sends to: {location[:_SHOWN]}" if location else "mend the address"
        raise NeedsPerson(f"it answers {status}, a redirect, and none is followed", where=where, fix=fix)
    if not 200 <= status < 300:
        raise NeedsPerson(f"it answers {status}: {shown(content)}", where=where, fix="mend the address or the query")


def place(url: str) -> str:
    """Scheme, host, port and path of a URL: what may be told to anybody."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def shown(content: bytes) -> str:
    """The beginning of an answer, in one line; Prometheus's own words where they are in it."""
    try:
        doc = orjson.loads(content)
    except orjson.JSONDecodeError:
        doc = None
    words = doc.get("error") if isinstance(doc, dict) else None
    text = str(words) if words else content[: 4 * _SHOWN].decode(errors="replace")
    text = " ".join(text.split())
    return (text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...") or "nothing"


def _words(error: BaseException) -> str:
    cause = getattr(error, "os_error", None) or error
    text = getattr(cause, "strerror", None) or str(cause) or type(error).__name__
    return str(text)
