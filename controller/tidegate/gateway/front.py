"""One release behind a gateway of its own, for as long as it is measured: its server gets what users' requests would become.

The files are those of the public gateway, so nothing can differ; only nobody else reaches it, and no line is recorded.
Neighbours: cluster.py, render.py and bootstrap.py write the files; the engine's staging.py measures through it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tidegate.gateway import check, cluster, mirror, render
from tidegate.gateway.binary import envoy_binary
from tidegate.gateway.book import Page
from tidegate.gateway.bootstrap import front as front_bootstrap
from tidegate.gateway.model import Arm, Route, Upstream
from tidegate.spec.errors import NeedsPerson, RetryLater

_START: Final = 10.0
_GRACE: Final = 2.0
_GUARD: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Begins a program that the kernel ends with the thread that began it (1: PR_SET_PDEATHSIG), from its first moment on:
Envoy asks for that itself, but only after it has started, and would outlive a controller that is killed before."""


@contextmanager
def front(model: str, arm: Arm, upstream: Upstream, binary: str | None) -> Iterator[Path]:
    """The socket file of a gateway that has this arm alone, at `/MODEL/`; gone when the context ends.

    Envoy ends with the thread that started it, so it does not outlive the controller either. `binary`: see GatewaySettings.
    Raises NeedsPerson with Envoy's words when it takes no such release, RetryLater when it does not start in time.
    """
    page = Page((Route(model, None, (arm,)),), {arm.upstream: upstream})
    refused = check.problem(page.routes, page.upstreams.values())
    if refused is not None:
        raise _refusal(refused)
    with tempfile.TemporaryDirectory(
        prefix="tidegate-front-"
    ) as folder:  # short: a socket's path has 107 bytes at most
        root = Path(folder)
        path = root / "gateway.sock"
        config = root / "front.json"
        clusters, routes = cluster.of_page(page), {model: render.model_routes(page.routes, page.timeouts, page.shares)}
        files = cluster.assemble(clusters)[1], render.route_file(routes)[1], mirror.listener_file({})[1]
        config.write_bytes(front_bootstrap(*files, path))
        command = [
            sys.executable, "-I", "-c", _GUARD, str(os.getpid()),
            envoy_binary(binary), "-c", str(config), "-l", "error", "--disable-hot-restart", "--concurrency", "1",
        ]  # fmt: skip
        log = root / "envoy.log"
        with (
            log.open("wb") as said,
            subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stderr=said) as envoy,
        ):
            try:
                _wait(envoy, path, log)
                yield path
            finally:
                envoy.terminate()
                try:
                    envoy.wait(_GRACE)
                except subprocess.TimeoutExpired:
                    envoy.kill()


def _wait(envoy: subprocess.Popen[bytes], path: Path, log: Path) -> None:
    """Until it takes connections."""
    until = time.monotonic() + _START
    while time.monotonic() < until:
        if envoy.poll() is not None:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise _refusal((lines or ["nothing"])[-1].rpartition("] ")[2][-500:])
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(os.fsencode(path)) == 0:
                return
        time.sleep(0.01)
    raise RetryLater("Envoy did not start in time to measure a release", where="gateway", delay=5.0)


def _refusal(why: str) -> NeedsPerson:
    return NeedsPerson(
        f"the gateway does not take this release: {why}", where="validate", fix="correct its inference config"
    )
