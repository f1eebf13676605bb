"""Three ways to take the traffic off a bad release: Tidegate's gateway, nginx's reload, HAProxy's runtime API.

Each loads the same portfolio (so many models, two releases each, one worker) and moves the one model under load. `share` is how
much of it the second release gets: a half, or nothing.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tidegate.gateway.model import Arm, Route, Table, Upstream
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.controller import GatewaySettings

HALF = 500_000
PAUSE = 0.06


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Poll until it is true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.01)


def listens(port: int) -> bool:
    """Whether something accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Tidegate:
    """The gateway room, as the engine uses it."""

    name = "Tidegate (Envoy, runtime layer)"

    def __init__(self, folder: Path, routes: int, servers: tuple[int, int]) -> None:
        self.port = free_port()
        self._gateway = Gateway(GatewaySettings(address=f"127.0.0.1:{self.port}", concurrency=1), folder)
        self._gateway.start()
        upstreams = [
            Upstream(f"m{number}-{arm}", (("127.0.0.1", server),))
            for number in range(routes)
            for arm, server in enumerate(servers)
        ]
        models = (self._route("digits", HALF), *(self._route(f"m{number}", HALF) for number in range(1, routes)))
        table = Table(tuple(upstreams), models)
        wait_for(lambda: self._gateway.apply(table).done, "the routes to be live")

    @staticmethod
    def _route(model: str, share: int) -> Route:
        number = 0 if model == "digits" else int(model[1:])
        arms = (
            Arm(f"{number:011x}a", "stable", "1.0.0", "default", "c0ffee", f"m{number}-0", 1_000_000 - share),
            Arm(f"{number:011x}b", "candidate", "2.0.0", "default", "c0ffee", f"m{number}-1", share),
        )
        return Route(model, None, arms, moving=model == "digits")

    def move(self, share: int) -> None:
        """The call that the engine makes at a breach."""
        self._gateway.set_weights([self._route("digits", share)])

    def settle(self) -> None:
        """Long after the last effect of a move."""
        time.sleep(PAUSE)

    def close(self) -> None:
        """End it."""
        self._gateway.stop(grace=1.0)


class Nginx:
    """A rewritten upstream and SIGHUP. The upstream that changes has a file of its own, so that writing costs nothing."""

    name = "nginx (reload)"
    program, package = "nginx", "nginx-light"

    def __init__(self, folder: Path, routes: int, servers: tuple[int, int]) -> None:
        self.port = free_port()
        self._servers = servers
        self._moving = folder / "digits.conf"
        names = ["digits", *(f"m{number}" for number in range(1, routes))]
        upstreams = "\n".join(
            f"upstream {name} {{ server 127.0.0.1:{servers[0]}; server 127.0.0.1:{servers[1]}; keepalive 32; }}"
            for name in names[1:]
        )
        locations = "\n".join(f"location /{name}/ {{ proxy_pass http://{name}/; }}" for name in names)
        temporary = "\n".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
{temporary}
access_log off; keepalive_requests 100000000; proxy_http_version 1.1; proxy_set_header Connection "";
variables_hash_max_size 4096;
include {self._moving};
{upstreams}
server {{ listen 127.0.0.1:{self.port}; {locations} }}
}}
""")
        self._write(HALF)
        self._process = subprocess.Popen(
            ["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"], start_new_session=True
        )
        # With thousands of routes it listens long before it has a worker.
        wait_for(lambda: listens(self.port) and self._serving(), "nginx")

    def _write(self, share: int) -> None:
        second = f"server 127.0.0.1:{self._servers[1]};" if share else ""
        fresh = self._moving.with_suffix(".new")
        fresh.write_text(f"upstream digits {{ server 127.0.0.1:{self._servers[0]}; {second} keepalive 32; }}")
        fresh.replace(self._moving)

    def move(self, share: int) -> None:
        """Write and reload. The signal goes straight to the master: no second nginx has to start for it."""
        self._write(share)
        self._workers = self._serving()
        os.kill(self._process.pid, signal.SIGHUP)

    def _serving(self) -> set[int]:
        """The workers that take requests: one that is shutting down says so in its title."""
        pid = self._process.pid
        workers = {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
        titles = {worker: Path(f"/proc/{worker}/cmdline") for worker in workers}
        return {worker for worker, title in titles.items() if _serves(title)}

    def reloaded(self) -> bool:
        """Whether other workers than before the last move serve, and those alone."""
        serving = self._serving()
        return bool(serving) and not serving & self._workers

    def settle(self) -> None:
        """Long after the last effect of a move: a reload takes longer with every route."""
        wait_for(self.reloaded, "nginx to reload")
        time.sleep(PAUSE)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


class HAProxy:
    """`set server ... weight` on its socket."""

    name = "HAProxy (runtime API)"
    program, package = "haproxy", "haproxy"

    def __init__(self, folder: Path, routes: int, servers: tuple[int, int]) -> None:
        self.port = free_port()
        self._socket = str(folder / "socket")
        names = ["digits", *(f"m{number}" for number in range(1, routes))]
        (folder / "map").write_text("".join(f"{name} {name}\n" for name in names))
        backends = "\n".join(
            f"backend {name}\n  server a 127.0.0.1:{servers[0]} weight 100\n  server b 127.0.0.1:{servers[1]} weight 100"
            for name in names
        )
        (folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  stats socket {self._socket} mode 600 level admin
defaults
  mode http
  balance random
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend public
  bind 127.0.0.1:{self.port}
  use_backend %[path,field(2,/),map({folder}/map)]
{backends}
""")
        self._process = subprocess.Popen(["haproxy", "-db", "-f", f"{folder}/haproxy.cfg"], start_new_session=True)
        wait_for(lambda: listens(self.port), "HAProxy")

    def move(self, share: int) -> None:
        """One command; returns when it has been answered."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._socket)
            connection.sendall(b"set server digits/b weight %d\n" % (100 if share else 0))
            said = connection.recv(1000).strip()
            if said:
                raise SystemExit(f"HAProxy says: {said.decode()}")

    def settle(self) -> None:
        """Long after the last effect of a move."""
        time.sleep(PAUSE)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


def _serves(title: Path) -> bool:
    """Whether a worker of nginx, by its command line in /proc, neither ends nor has ended."""
    try:
        return b"shutting" not in title.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
