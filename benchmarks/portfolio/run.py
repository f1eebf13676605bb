"""What a large portfolio costs at the gateway: memory, start, one changed model, one switch of weights.

    python benchmarks/portfolio/run.py [--large] [--changes 5]

How: so many models with two releases each (two servers, one proxy worker), on loopback, no traffic. *First*: from an empty proxy
to the whole portfolio live. *Start*: the proxy is killed and started again on what is on disk, until it answers. *Change*: one
model gets another release, from the call until the proxy serves it (nginx: a reload, HAProxy: another start). *Switch*: one
model's weights, from the call until confirmed. The median of so many. Beside nginx and HAProxy, where they are installed.

Ends with 1 when a changed model of Tidegate with 10,000 models or fewer took more than 2 seconds to be live.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "switch"))
from proxies import HALF, HAProxy, Nginx, free_port, listens, wait_for  # they live beside the other benchmark

from tidegate.gateway import process
from tidegate.gateway.files import Folder
from tidegate.gateway.model import Arm, Route, Table, Upstream
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.controller import GatewaySettings

LIMIT = 2.0
SIZES = (10, 1000, 5000)


class Row(NamedTuple):
    """One proxy with one portfolio: seconds, and memory in bytes. `change` and `switch`: every one that was made."""

    proxy: str
    routes: int
    memory: int
    first: float
    start: float
    change: list[float]
    switch: list[float]


def rss(pids: list[int]) -> int:
    """Resident memory in bytes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGESIZE")


def timed(do: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.monotonic()
    do()
    return time.monotonic() - began


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="tidegate-portfolio-") as name:
        yield Path(name)


def tidegate(routes: int, changes: int) -> Row:
    """The gateway as the engine uses it: told which model changed, called again until it is done."""

    def route(number: int, revision: int = 0, share: int = 0) -> Route:
        arms = (
            Arm(
                f"{number:06x}{revision:06x}", "stable", "1.0.0", "default", "c0ffee", f"m{number}-0", 2 * HALF - share
            ),
            Arm(f"{number:06x}ffffff", "candidate", "2.0.0", "default", "c0ffee", f"m{number}-1", share),
        )
        return Route(f"m{number}", None, arms, moving=bool(share))

    with folder() as state:
        port = free_port()
        gateway = Gateway(GatewaySettings(address=f"127.0.0.1:{port}", concurrency=1), state)
        gateway.start()
        try:
            upstreams = tuple(Upstream(f"m{n}-{arm}", (("127.0.0.1", 9),)) for n in range(routes) for arm in range(2))
            models = [route(number) for number in range(routes)]

            def settle(changed: frozenset[str] | None) -> float:
                table = Table(upstreams, tuple(models))
                return timed(lambda: wait_for(lambda: gateway.apply(table, changed).done, "the table to be live"))

            first = settle(None)
            running = process.find(Folder(state / "gateway"))
            assert running is not None
            memory = rss([running.pid])
            change, switch = [], []
            for revision in range(1, changes + 1):
                models[0] = route(0, revision)
                change.append(settle(frozenset({"m0"})))
                moved = [route(0, revision, revision)]
                switch.append(timed(lambda moved=moved: gateway.set_weights(moved)))  # type: ignore[misc]  # bound at once
            os.kill(running.pid, signal.SIGKILL)
            wait_for(lambda: not gateway.alive(), "Envoy to end")
            return Row("Tidegate (Envoy)", routes, memory, first, timed(gateway.start), change, switch)
        finally:
            gateway.stop(grace=1.0)


def rival(kind: type[Nginx | HAProxy], routes: int, changes: int) -> Row:
    """The same portfolio; a change is a reload, and nginx has no other way to switch weights either."""
    with folder() as place:
        began = time.monotonic()
        proxy = kind(place, routes, (9, 9))
        first = time.monotonic() - began
        try:
            if isinstance(proxy, HAProxy):  # it listens before its socket has its name
                wait_for(lambda: (place / "socket").exists(), "HAProxy's socket")
            own = proxy._process.pid
            pids = [own, *map(int, Path(f"/proc/{own}/task/{own}/children").read_text().split())]
            memory = rss(pids)

            def reload(share: int) -> None:
                proxy.move(share)
                if isinstance(proxy, Nginx):
                    wait_for(proxy.reloaded, "nginx to reload")

            switch = [timed(lambda turn=turn: reload(HALF * (turn % 2))) for turn in range(changes)]  # type: ignore[misc]  # bound at once
        finally:
            proxy.close()
        wait_for(lambda: not listens(proxy.port), "it to end")
        began = time.monotonic()
        again = kind(place, routes, (9, 9))
        start = time.monotonic() - began
        again.close()
        change = switch if kind is Nginx else [start]
        return Row(kind.name, routes, memory, first, start, change, switch)


def main() -> int:
    """Measure, print, and say by the exit code whether a change stayed within its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--changes", type=int, default=5, help="changes and switches of each (default 5)")
    parser.add_argument("--large", action="store_true", help="with 10,000 models too")
    arguments = parser.parse_args()
    rows = []
    for routes in (*SIZES, *((10_000,) if arguments.large else ())):
        rows.append(tidegate(routes, arguments.changes))
        rows += [rival(kind, routes, arguments.changes) for kind in (Nginx, HAProxy) if shutil.which(kind.program)]
    print(f"{'':34}{'routes':>8}{'memory MB':>11}{'first s':>9}{'start s':>9}{'change ms':>11}{'switch ms':>11}")
    for row in rows:
        change, switch = statistics.median(row.change) * 1000, statistics.median(row.switch) * 1000
        print(
            f"{row.proxy:34}{row.routes:>8,}{row.memory / 1e6:>11,.0f}{row.first:>9.2f}{row.start:>9.2f}"
            f"{change:>11,.0f}{switch:>11,.1f}"
        )
    slow = [row for row in rows if row.proxy.startswith("Tidegate") and statistics.median(row.change) > LIMIT]
    for row in slow:
        print(f"\nwith {row.routes:,} models one change took more than {LIMIT} s", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
