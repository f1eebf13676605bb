"""The controller's HTTP API: a signed webhook that hints, health, the status as JSON, and feedback on single answers.

What should run is changed by git alone.

Neighbours: server.py runs it in a thread; the engine passes in the callables.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError

MAX_BODY = 25 * 1024 * 1024  # bytes: the largest payload that GitHub sends
MAX_FEEDBACK = 8 * 1024 * 1024
BODY_SECONDS = 15.0
SIGNATURE = "x-hub-signature-256"


def application(
    *,
    hint: Callable[[], None],
    status: Callable[[], Mapping[str, Any]],
    healthy: Callable[[], str | None],
    ready: Callable[[], str | None],
    secret: bytes | None = None,
    tokens: tuple[str, ...] = (),
    feedback: Callable[[bytes], Mapping[str, Any]] | None = None,
) -> Starlette:
    """The application. `hint`: the repository may have changed. `status`: what /api/status answers.

    `healthy`, `ready`: None when all is well, else the reason in one sentence. `secret`: the webhook's HMAC key.
    `tokens`: whoever sends one of them as a bearer may read the status and send feedback; none given, everybody may read
    it, and feedback is refused. `feedback` takes the body in and answers what became of it; all of that is durable then.
    """

    async def webhook(request: Request) -> Response:
        if not secret:
            return _error(503, "no webhook secret is configured", "set server.webhook_secret in tidegate.yaml")
        given = request.headers.get(SIGNATURE, "")
        digest = hmac.new(secret, digestmod=hashlib.sha256)  # the body itself is not kept
        refusal = await _pour(request, digest.update, MAX_BODY, "send push events only")
        if refusal is not None:
            return refusal
        if not hmac.compare_digest(given.encode("latin-1"), f"sha256={digest.hexdigest()}".encode()):
            what = "does not fit the body" if given else "is missing"
            return _error(401, f"the signature {what}", f"sign with the shared secret: {SIGNATURE}: sha256=<hex>")
        await run_in_threadpool(hint)
        return JSONResponse({"status": "noted"}, status_code=202)

    def api_status(request: Request) -> Response:
        if tokens and not _allowed(request.headers.get("authorization", ""), tokens):
            return _unknown_caller()
        try:
            return JSONResponse(dict(status()))
        except TidegateError as error:
            return _error(503, str(error))

    async def api_feedback(request: Request) -> Response:
        if feedback is None or not tokens:
            # Who may send feedback may have a release taken back: nobody may as long as nobody has been named.
            return _error(503, "no token is configured for feedback", "set server.tokens in tidegate.yaml")
        if not _allowed(request.headers.get("authorization", ""), tokens):
            return _unknown_caller()
        body = bytearray()
        refusal = await _pour(request, body.extend, MAX_FEEDBACK, "send it in several parts")
        if refusal is not None:
            return refusal
        try:
            found = await run_in_threadpool(feedback, bytes(body))
        except NeedsPerson as error:
            return _error(400 if error.where is None else 503, error.message, error.fix)
        except RetryLater as error:
            answer = _error(503, str(error))
            answer.headers["retry-after"] = str(max(1, round(error.delay)))
            return answer
        return JSONResponse(dict(found), status_code=422 if found["refused"] else 202 if found["unknown"] else 200)

    return Starlette(
        routes=[
            Route("/webhook", webhook, methods=["POST"]),
            Route("/healthz", _check(healthy)),
            Route("/readyz", _check(ready)),
            Route("/api/status", api_status),
            Route("/api/feedback", api_feedback, methods=["POST"]),
        ]
    )


def _check(reason: Callable[[], str | None]) -> Callable[[Request], Response]:
    def endpoint(_: Request) -> Response:
        why = reason()
        return _error(503, why) if why else JSONResponse({"status": "ok"})

    return endpoint


def _unknown_caller() -> JSONResponse:
    answer = _error(401, "this needs a token", "send Authorization: Bearer TOKEN (server.tokens)")
    answer.headers["www-authenticate"] = "Bearer"
    return answer


async def _pour(request: Request, take: Callable[[bytes], None], most: int, fix: str) -> Response | None:
    """Give `take` the body chunk by chunk; the answer where it does not come whole: too long (`most` bytes), too slow."""
    declared = request.headers.get("content-length", "")
    too_long = _error(413, f"the body has more than {most} bytes", fix)
    if declared.isdigit() and int(declared) > most:
        return too_long
    length = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                length += len(chunk)
                if length > most:
                    return too_long
                take(chunk)
    except TimeoutError:
        return _error(408, f"the body did not come in {BODY_SECONDS:g} s")
    except ClientDisconnect:
        return Response(status_code=400)
    return None


def _error(code: int, message: str, fix: str | None = None) -> JSONResponse:
    return JSONResponse({"error": message} | ({"fix": fix} if fix else {}), status_code=code)


def _allowed(header: str, tokens: tuple[str, ...]) -> bool:
    scheme, _, given = header.partition(" ")
    # Every token is compared, so that the time tells neither which nor how much was right.
    matches = [hmac.compare_digest(given.strip().encode("latin-1"), token.encode()) for token in tokens]
    return scheme.lower() == "bearer" and any(matches)
