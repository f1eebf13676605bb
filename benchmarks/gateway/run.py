"""What a request costs at the gateway, beside a bare Envoy, nginx and a gateway written in Python, in one run.

    python benchmarks/gateway/run.py [--rounds 7] [--seconds 2] [--clients 32] [--without mlflow,nginx]

How: every proxy leads to one backend, nginx with a fixed answer, and has one worker on one core; wrk and the backend have the
other. The request is a chat of 300 bytes, the same for all, over kept connections, each client with one request under way at a
time: p50 and p99 are those of a full proxy. All take turns, so many rounds; a figure is the median of its rounds, a ratio the
median of the ratios to the bare Envoy of the same round, so that what else the machine does falls on all alike. `CPU` is the
processor time of the proxy for 1,000 requests: it hardly feels the neighbours, unlike the rate. Before the first round it is
seen that the merges take place, after each turn that every request has its line in the record.

*split*: two releases with half of the traffic each, and the record; all other Tidegate rows do that too, except *mirror*: one
release whose every request also goes to a shadow, both answers kept for comparison. *merge*: two parameters. *prompt*: a
system prompt before the messages. nginx and the bare Envoy do none of this, and write no log.

Needs wrk and nginx (apt-get install wrk nginx-light), two cores, and installs MLflow's gateway into an environment in a
temporary folder (requirements/mlflow.txt). Ends with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "switch"))
import contestants  # noqa: E402 it needs the other benchmark's folder
from contestants import BODY, PATH, BareEnvoy, MLflow, Tidegate  # noqa: E402 likewise

SPLIT, MERGE, PROMPT, MIRROR = (f"Tidegate, {what}" for what in ("split", "merge", "prompt", "mirror"))
BARE, PYTHON = "bare Envoy", "MLflow's gateway"
GOALS = {SPLIT: 0.88, MERGE: 0.65}
TIMES_PYTHON = 10.0


class Turn(NamedTuple):
    """One turn of one proxy. `rate` in requests a second, latencies and `cpu` (for 1,000 requests) in milliseconds."""

    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass
class Row:
    """One way to the backend. `pid`: whose processor time counts, with its children's; `model`: whose lines are counted."""

    name: str
    port: int
    pid: int
    path: str = PATH
    model: str = ""
    turns: list[Turn] = field(default_factory=list)

    def median(self, figure: str) -> float:
        """Of all turns."""
        return statistics.median(getattr(turn, figure) for turn in self.turns)

    def ratio(self, figure: str, other: Row) -> float:
        """The median of the ratios of the turns of the same round."""
        pairs = zip(self.turns, other.turns, strict=True)
        return statistics.median(getattr(one, figure) / getattr(two, figure) for one, two in pairs)


def ask(row: Row) -> int:
    """One request; the length of the body that the backend got, or 0 when the answer does not say."""
    connection = HTTPConnection("127.0.0.1", row.port, timeout=30)
    connection.request("POST", row.path, body=BODY, headers={"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status != 200 or "harbour office" not in text:
        raise SystemExit(f"{row.name} answers {answer.status}: {text[:500]}")
    return int(answer.getheader("x-got") or 0)


@contextmanager
def on(core: int) -> Iterator[None]:
    """What is started here stays on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def take_turn(row: Row, core: int, clients: int, seconds: int, tidegate: Tidegate) -> Turn:
    """So many seconds of load."""
    before = contestants.cpu_seconds(row.pid)
    words = ["wrk", "-t", "1", "-c", str(clients), "-d", f"{seconds}s", "-s", str(HERE / "load.lua")]
    with on(core):
        done = subprocess.run(
            [*words, f"http://127.0.0.1:{row.port}{row.path}", "--", BODY], capture_output=True, text=True, check=True
        )
    cpu = contestants.cpu_seconds(row.pid) - before
    requests, micros, p50, p99, lost = map(int, done.stdout.rpartition("figures ")[2].split())
    if lost or not requests:
        raise SystemExit(f"{row.name}: {lost} requests of {requests} failed")
    if row.model and (lines := tidegate.lines(row.model, requests)) > requests + clients:
        raise SystemExit(f"{row.name}: {lines} lines in the record for {requests} requests")
    return Turn(requests / micros * 1e6, p50 / 1000, p99 / 1000, cpu / requests * 1e6)


def table(rows: list[Row], bare: Row) -> str:
    """What a person reads. A share of the rate and a share of the processor time are both better when higher."""
    lines = [
        f"{'':18}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms/1,000':>14}{'rate/bare':>11}{'CPU bare/own':>14}"
    ]
    for row in rows:
        own = row.median("cpu")
        lines.append(
            f"{row.name:18}{row.median('rate'):>11,.0f}{row.median('p50'):>9.2f}{row.median('p99'):>9.2f}"
            + (f"{own:>14.1f}" if own else f"{'':>14}")
            + f"{row.ratio('rate', bare):>11.2f}"
            + (f"{1 / row.ratio('cpu', bare):>14.2f}" if own else "")
        )
    return "\n".join(lines)


def missed(rows: dict[str, Row]) -> list[str]:
    """The goals that were not reached."""
    found = [
        f"{name}: {share:.2f} of the bare Envoy's rate, the goal is {goal}"
        for name, goal in GOALS.items()
        if (share := rows[name].ratio("rate", rows[BARE])) < goal
    ]
    if PYTHON in rows and (times := rows[SPLIT].ratio("rate", rows[PYTHON])) < TIMES_PYTHON:
        found.append(f"{SPLIT}: {times:.1f} times the rate of {PYTHON}, the goal is {TIMES_PYTHON:.0f}")
    return found


def main() -> int:
    """Measure, print, and say by the exit code whether the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (default 7)")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of a turn (default 2)")
    parser.add_argument("--clients", type=int, default=32, help="connections (default 32)")
    parser.add_argument("--without", default="", help="leave out: nginx, mlflow")
    arguments = parser.parse_args()
    without = set(filter(None, arguments.without.split(",")))
    for program in ("wrk", "nginx"):
        if not shutil.which(program):
            raise SystemExit(
                f"{program} is not installed. fix: apt-get install {program.replace('nginx', 'nginx-light')}"
            )
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("one core is too little: the load would take from the proxy what is measured")
    theirs, ours = cores[:2]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-gateway-")))
        with on(ours):
            backend = contestants.backend(folder / "backend")
            stack.callback(backend.close)
        with on(theirs):
            bare = BareEnvoy(folder / "bare", backend.port)
            stack.callback(bare.close)
            tidegate = Tidegate(folder / "tidegate", contestants.four_models(backend.port))
            stack.callback(tidegate.close)
            found = [Row("direct", backend.port, 0), Row(BARE, bare.port, bare.pid)]
            if "nginx" not in without:
                nginx = contestants.plain_nginx(folder / "nginx", backend.port)
                stack.callback(nginx.close)
                found.append(Row("nginx", nginx.port, nginx.pid))
            for name in (SPLIT, MERGE, PROMPT, MIRROR):
                model = name.rpartition(" ")[2]
                found.append(Row(name, tidegate.port, tidegate.pid, f"/{model}{PATH}", model))
            if "mlflow" not in without:
                command = contestants.install_mlflow(
                    folder / "environment", HERE.parents[1] / "requirements/mlflow.txt"
                )
                mlflow = MLflow(folder / "mlflow", backend.port, command)
                stack.callback(mlflow.close)
                found.append(Row(PYTHON, mlflow.port, mlflow.pid, MLflow.path))
        rows = {row.name: row for row in found}
        lengths = {row.name: ask(row) for row in found}
        for name in (MERGE, PROMPT):
            if lengths[name] <= len(BODY):
                raise SystemExit(f"{name}: the backend got {lengths[name]} bytes, no more than were sent")
        tidegate.lines(rows[MIRROR].model, 1)  # these were not part of a turn
        for round_ in range(arguments.rounds + 1):  # the first warms up and does not count
            for row in found:
                turn = take_turn(row, ours, arguments.clients, arguments.seconds if round_ else 1, tidegate)
                if round_:
                    row.turns.append(turn)
            print(".", end="", flush=True, file=sys.stderr)
    print(f"\nproxies on core {theirs}, load and backend on core {ours}; {arguments.clients} clients, "
          f"{arguments.rounds} turns of {arguments.seconds} s each\n")  # fmt: skip
    print(table(found, rows[BARE]))
    if PYTHON in rows:
        print(f"\n{SPLIT}: {rows[SPLIT].ratio('rate', rows[PYTHON]):.0f} times the rate of {PYTHON}")
    problems = missed(rows)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
