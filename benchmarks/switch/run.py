"""From the verdict to the last answer of the bad release, under load, with small and large portfolios.

    python benchmarks/switch/run.py [--switches 50] [--routes 10,1000,5000]

How: clients ask one model without pause over kept connections; two servers answer, one of them is the bad release with half of
the traffic. Then its share is taken away. The clock runs from just before the call that takes it to the last answer of the bad
release that any client received. Share given back, again, so many times. The same with nginx and HAProxy, from Debian.
All on loopback, one worker each; a request without an answer, or with another status than 200, counts as failed.

Ends with 1 when Tidegate failed a request. Installs nothing; a proxy that is not there is named with its package.
"""

from __future__ import annotations

import argparse
import bisect
import math
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from proxies import HALF, HAProxy, Nginx, Tidegate

TRAFFIC = str(Path(__file__).with_name("traffic.py"))
CLIENTS = 8
GOOD, BAD = "good", "bad"


@dataclass(frozen=True)
class Result:
    """One proxy with one portfolio. Times in milliseconds."""

    proxy: str
    routes: int
    times: list[float]
    requests: int
    failed: int
    rate: float

    def quantile(self, share: float) -> float:
        """The nearest-rank quantile."""
        return sorted(self.times)[max(math.ceil(share * len(self.times)) - 1, 0)]


class Traffic:
    """The processes of traffic.py; they end with us."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> tuple[subprocess.Popen[str], str]:
        """One process, and the first line that it prints."""
        process = subprocess.Popen(
            [sys.executable, TRAFFIC, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._processes.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    @staticmethod
    def end(process: subprocess.Popen[str]) -> None:
        """Let it finish."""
        process.communicate()

    def close(self) -> None:
        """End all."""
        for process in self._processes:
            if process.poll() is None:
                self.end(process)


def measure(
    kind: type[Tidegate | Nginx | HAProxy], routes: int, switches: int, servers: tuple[int, int], traffic: Traffic
) -> Result:
    """So many switches under load."""
    with tempfile.TemporaryDirectory(prefix="tidegate-switch-") as name:
        folder = Path(name)
        proxy = kind(folder, routes, servers)
        try:
            clients, _ = traffic.start("ask", str(proxy.port), str(CLIENTS), str(folder / "answers"))
            time.sleep(1.0)
            began = time.monotonic()
            decided: list[tuple[float, float]] = []
            for _ in range(switches):
                moment = time.monotonic()
                proxy.move(0)
                proxy.settle()
                decided.append((moment, time.monotonic()))
                proxy.move(HALF)
                proxy.settle()
            took = time.monotonic() - began
            traffic.end(clients)
            lines = [line.split() for line in (folder / "answers").read_text().splitlines()]
        finally:
            proxy.close()
    answers = sorted((float(came), served) for came, served in lines)
    bad = [came for came, served in answers if served == BAD]
    times = []
    for moment, back in decided:
        last = bisect.bisect_left(bad, back)
        times.append(max(bad[last - 1] - moment, 0.0) * 1000 if last else 0.0)
    if sum(came > decided[0][0] for came in bad) == 0:
        raise SystemExit(f"{kind.name}: the bad release got no traffic at all, so nothing was measured")
    failed = sum(served not in (GOOD, BAD) for _, served in answers)
    asked = sum(came >= began for came, _ in answers)
    return Result(kind.name, routes, times, len(answers), failed, asked / took)


def table(results: list[Result]) -> str:
    """What a person reads; ratios are against Tidegate with as many routes."""
    rows = [("", "routes", "p50 ms", "p99 ms", "max ms", "ratio p50", "requests", "failed", "requests/s")]
    own = {result.routes: result for result in results if result.proxy == Tidegate.name}
    for result in results:
        ratio = result.quantile(0.5) / own[result.routes].quantile(0.5)
        rows.append(
            (
                result.proxy,
                f"{result.routes:,}",
                f"{result.quantile(0.5):.1f}",
                f"{result.quantile(0.99):.1f}",
                f"{max(result.times):.1f}",
                f"{ratio:.1f}",
                f"{result.requests:,}",
                str(result.failed),
                f"{result.rate:,.0f}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(found))
        for found in (tuple(zip(row, widths, strict=True)) for row in rows)
    )


def main() -> int:
    """Measure, print, and say by the exit code whether every request to Tidegate was answered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--switches", type=int, default=50, help="switches with each proxy and portfolio (default 50)")
    parser.add_argument("--routes", default="10,1000,5000", help="sizes of the portfolio (default 10,1000,5000)")
    arguments = parser.parse_args()
    kinds: list[type[Tidegate | Nginx | HAProxy]] = [Tidegate]
    for rival in (Nginx, HAProxy):
        if shutil.which(rival.program):
            kinds.append(rival)
        else:
            print(f"{rival.name} is left out: {rival.program} is not installed (apt-get install {rival.package})")
    traffic = Traffic()
    results = []
    try:
        servers = int(traffic.start("serve", GOOD)[1]), int(traffic.start("serve", BAD)[1])
        for routes in (int(word) for word in arguments.routes.split(",")):
            for kind in kinds:
                results.append(measure(kind, routes, arguments.switches, servers, traffic))
                print(".", end="", flush=True)
    finally:
        traffic.close()
    print(f"\nverdict to the last answer of the bad release, {arguments.switches} switches each, {CLIENTS} clients\n")
    print(table(results))
    failed = sum(result.failed for result in results if result.proxy == Tidegate.name)
    if failed:
        print(f"\n{failed} requests to Tidegate failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
