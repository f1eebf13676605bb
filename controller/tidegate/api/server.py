"""uvicorn in a daemon thread: the API beside the loop, never in its way.

Neighbours: app.py is what it serves; the engine starts and stops it.
"""

from __future__ import annotations

import socket
import threading
import time

import uvicorn
from starlette.applications import Starlette

from tidegate.spec.errors import NeedsPerson, RetryLater

_START_SECONDS = 10.0
_DRAIN_SECONDS = 3


class Server:
    """One HTTP server at `address` (`127.0.0.1:8081`, `[::1]:8081`; port 0: any free one)."""

    def __init__(self, application: Starlette, address: str) -> None:
        self._application = application
        self._address = address
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._bound = ""

    @property
    def address(self) -> str:
        """Where it listens, with the port that was really taken; what was asked for before `start`."""
        return self._bound or self._address

    def start(self) -> None:
        """Listen, and answer from now on. Raises NeedsPerson when the address cannot be used."""
        listener = _listen(self._address)
        host, port = listener.getsockname()[:2]
        self._bound = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        config = uvicorn.Config(
            self._application,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=256,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=_serve, args=(server, listener), name="tidegate-api", daemon=True)
        thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                listener.close()
                raise RetryLater("the API did not start", where=self._address, delay=5.0)
            time.sleep(0.005)
        self._server, self._thread = server, thread

    def stop(self) -> None:
        """Finish what is being answered, for three seconds at most, and let go of the address."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.should_exit = True
            thread.join(_DRAIN_SECONDS + 2.0)
            self._bound = ""


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    with listener:
        server.run(sockets=[listener])


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(128)
    except (OSError, ValueError, OverflowError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise NeedsPerson(
            f"the API cannot listen there: {why}",
            where=address,
            fix="end what uses the port (ss -ltnp shows it), or change server.address in tidegate.yaml",
        ) from error
    return listener
