"""KServe's ModelServer as Tidegate runs it: one HTTP port on one address, quiet logs, and 400 for malformed requests.

__main__.py calls `serve`; model.py is what is served. What KServe leaves open or does otherwise is settled here alone.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve import ModelServer
from kserve.model_server import app

from tidegate_serving.faults import BadRequest, EngineError
from tidegate_serving.model import OnnxModel

log = logging.getLogger("kserve.tidegate")


class _Server(ModelServer):  # type: ignore[misc]  # KServe's classes are not typed
    """Listens on one address; KServe itself always listens on all of them."""

    def __init__(self, host: str, port: int, grace: int) -> None:
        super().__init__(http_port=port, workers=1, enable_grpc=False, enable_latency_logging=False, grace_period=grace)
        self._host = host

    async def _serve(self) -> None:
        self._rest_server.config.host = self._host
        await asyncio.gather(*self.servers)


def serve(artifact: Path, name: str, version: str | None, *, host: str, port: int, grace: int) -> None:
    """Serve until TERM; then answer what is in flight, for at most `grace` seconds."""
    server = _Server(host, port, grace)
    for noisy in ("kserve.trace", "uvicorn.access"):  # a line a request; the gateway writes the prediction record
        logging.getLogger(noisy).setLevel(logging.WARNING)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(BadRequest, _refused)
    app.add_exception_handler(EngineError, _failed)
    server.start([OnnxModel(artifact, name, version)])


async def _malformed(_: Request, error: Exception) -> JSONResponse:
    """KServe answers 422 where the protocol says 400."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    text = "; ".join(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in found)
    return JSONResponse({"error": f"not a request of the Open Inference Protocol: {text}"}, 400)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 400)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    log.error("%s", error)
    return JSONResponse({"error": str(error)}, 500)
