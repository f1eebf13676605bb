"""What a portfolio costs the controller: its first start, a pass in which nothing changed, and one changed model.

Real git, rules, journal, state machine and Envoy; the servers only look like many (world.py says why). The limit beside it
is git alone: fetching the commit and reading the repository's files. Prints seconds; cost should follow what changed. A
change begins when git and the gateway have all of the one before. On a machine with other work the processor time for each
change says more than the time that went by.

    python benchmarks/reconcile/run.py [--models 10,1000,10000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from world import ANSWERS, World, git

IDLE = 15.0
"""Seconds of nothing that are looked at."""


def alone(world: World) -> float:
    """Seconds that git alone needs for the newest commit: fetch it, list it, read its files."""
    mirror = world.folder / "alone.git"
    if not mirror.exists():
        subprocess.run(["git", "init", "-q", "--bare", str(mirror)], check=True)
    began = time.perf_counter()
    git(mirror, "fetch", "-q", "--no-tags", str(world.remote), "+refs/heads/main:refs/heads/main")
    listing = git(mirror, "ls-tree", "-r", "main").splitlines()
    blobs = "\n".join(line.split()[2] for line in listing if line.endswith(".yaml"))
    read = ["git", "-C", str(mirror), "cat-file", "--batch"]
    subprocess.run(read, input=f"{blobs}\n".encode(), check=True, capture_output=True)
    return time.perf_counter() - began


def measure(models: int, rounds: int) -> None:
    """Print one row."""
    with tempfile.TemporaryDirectory(prefix="tidegate-benchmark-") as name:
        world = World(Path(name), models)
        git_alone = alone(world)
        began = time.perf_counter()
        world.start()
        try:
            last = f"model-{models - 1}"
            world.until(lambda: world.serving() == models, "every route has its release", 900)
            first = world.until(lambda: world.ask(last) == ANSWERS["1.0.0"], f"{last} answers", 300) - began
            world.rest()
            time.sleep(3.0)
            since, used = time.perf_counter(), time.process_time()
            time.sleep(IDLE)
            busy = (time.process_time() - used) / IDLE
            passes = [took for at, took in world.ticks if at > since]
            seen, parts, costs = [], [], []
            for number in range(rounds):
                world.rest()
                model = f"model-{number * models // rounds}"
                before = world.used()
                pushed = world.deploy(model, "1.1.0")
                answer = lambda model=model: world.ask(model) == ANSWERS["1.1.0"]  # noqa: E731 read in this turn only
                visible = world.until(answer, f"{model} answers anew", 120)
                seen.append(visible - pushed)
                parts.append(world.divided(model, pushed, visible))
                costs.append([now - then for now, then in zip(world.used(), before, strict=True)])
            own, envoy = (statistics.median(one) for one in zip(*costs, strict=True))
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        finally:
            world.stop()
    change = statistics.median(seen)
    divided = " ".join(f"{statistics.median(part):>7.3f}" for part in zip(*parts, strict=True))
    print(
        f"{models:>7} {first:>13.2f} s {statistics.median(passes):>13.4f} s {max(passes):>8.4f} s {100 * busy:>9.1f} %"
        f" {change:>12.3f} s {max(seen):>8.3f} s {divided} {own:>9.2f} s {envoy:>9.2f} s"
        f" {git_alone:>9.3f} s {change / git_alone:>6.1f} {memory:>8.0f} MB",
        flush=True,
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", default="10,1000,10000")
    parser.add_argument("--rounds", type=int, default=5, help="changes of one model each")
    arguments = parser.parse_args()
    divided = " ".join(f"{part:>7}" for part in ("fetch", "read", "decide", "cluster", "routes"))
    print(
        f"{'models':>7} {'first start':>15} {'idle pass p50':>15} {'max':>10} {'idle CPU':>11}"
        f" {'change p50':>14} {'max':>10} {divided} {'own CPU':>11} {'Envoy CPU':>11}"
        f" {'git alone':>11} {'ratio':>6} {'memory':>11}   ({os.cpu_count()} cores)"
    )
    for models in map(int, arguments.models.split(",")):
        measure(models, arguments.rounds)


if __name__ == "__main__":
    main()
