"""How long a validator lets people wait: whole repositories, cold and unchanged, and a commit's hook.

    python benchmarks/validate/run.py [--files 1,20,1000,10000] [--runs 5] [--without yamllint]

How: repositories as a team would have them (repository.py), in git. `tidegate validate` judges all of it: structure,
references, pins, history, evidence. "cold" remembers nothing, "again" is a second run with nothing changed, "one core"
is cold without a second processor. Beside it, over the same files in the same run: check-jsonschema with our own schemas
(no references between files, no pins; one call for each kind) and yamllint (layout only). Neither remembers anything.
Then the hook: `pre-commit run` with 20 files edited and staged each time, and the same with a hook that does nothing.
Each figure is the best of its runs, since everything else on the machine can only add to it; tools take turns.

Installs the other tools into an environment in a temporary folder (requirements/bench.txt). Ends with 1 when a goal is
missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from repository import files, git, write

ROOT = Path(__file__).resolve().parents[2]
TIDEGATE = Path(sys.executable).with_name("tidegate")
STAGED = 20
LONG = 15.0
"""Seconds. What takes longer is measured once: a disturbance is small beside it."""
KINDS = {
    "model-version": "versions/", "model": "/model.yaml", "deployment": "/deployment.yaml",
    "inference-config": "configs/", "rollout-policy": "policies/progressive", "governance": "policies/governance",
}  # fmt: skip


@dataclass
class Bench:
    """The tools and their environment. Nobody compiles its modules while it is measured: that was done before."""

    folder: Path
    environment: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PRE_COMMIT", "GIT_"))
        }
        places = {"PYTHONPYCACHEPREFIX": "bytecode", "PRE_COMMIT_HOME": "pre-commit"}
        self.environment = kept | {name: str(self.folder / place) for name, place in places.items()}

    def install(self) -> None:
        """The other tools, each in its pinned version."""
        venv.create(self.folder / "tools", with_pip=True)
        pip = [str(self.tool("python")), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(ROOT / "requirements/bench.txt")], check=True)

    def tool(self, name: str) -> Path:
        """One of the other tools."""
        return self.folder / "tools/bin" / name

    def seconds(self, command: list[str], where: Path, *, cores: set[int] | None = None) -> float:
        """How long a command takes that must find nothing wrong."""
        pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
        started = time.perf_counter()
        done = subprocess.run(command, cwd=where, env=self.environment, capture_output=True, text=True, preexec_fn=pin)
        took = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"{command[0]} ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return took

    def best(self, ways: Mapping[str, Callable[[], float]], runs: int) -> dict[str, float]:
        """The best time of each way, tried in turns; what is slow is tried once."""
        found: dict[str, float] = {}
        for number in range(runs + 1):  # the first turn warms the disk's cache and compiles modules
            for name, measure in ways.items():
                if found.get(name, 0.0) < LONG:
                    took = measure()
                    found[name] = took if number < 2 and took < LONG else min(took, found.get(name, took))
        return found


def whole(bench: Bench, count: int, runs: int, without: list[str]) -> dict[str, float]:
    """Seconds of each tool over a repository of that many files."""
    repository = bench.folder / f"files-{count}"
    made = files(count)
    write(repository, made)
    by_kind = {kind: [path for path in made if mark in path] for kind, mark in KINDS.items()}

    def schemas() -> float:
        return sum(
            bench.seconds(
                [str(bench.tool("check-jsonschema")), "--schemafile", str(ROOT / f"schemas/{kind}.json"), *paths],
                repository,
            )
            for kind, paths in by_kind.items()
            if paths
        )

    validate = [str(TIDEGATE), "validate"]
    lint = [str(bench.tool("yamllint")), "-d", "relaxed", "--no-warnings", "."]
    ways: dict[str, Callable[[], float]] = {
        "tidegate, cold": lambda: bench.seconds([*validate, "--no-cache"], repository),
        "tidegate, one core": lambda: bench.seconds([*validate, "--no-cache"], repository, cores={0}),
        "tidegate, again": lambda: bench.seconds(validate, repository),
        "check-jsonschema": schemas,
        "yamllint": lambda: bench.seconds(lint, repository),
    }
    return bench.best({name: way for name, way in ways.items() if name not in without}, runs)


def hook(bench: Bench, count: int, runs: int) -> dict[str, float]:
    """Seconds of `pre-commit run` with our hook, and with one that does nothing."""
    repository = bench.folder / f"hook-{count}"
    made = files(count)
    write(repository, made)
    edited = [path for path in made if "versions/" in path or count <= STAGED][:STAGED]
    turn = iter(range(10**6))

    def run(entry: str) -> float:
        (repository / ".pre-commit-config.yaml").write_text(
            "repos:\n- repo: local\n  hooks:\n"
            f"  - {{id: measured, name: measured, entry: {entry}, language: system, pass_filenames: false, always_run: true}}\n"
        )
        note = f"# {next(turn)}\n"
        for path in edited:
            (repository / path).write_text(made[path] + note)
        git(repository, "add", "--all")
        return bench.seconds([str(bench.tool("pre-commit")), "run"], repository)

    return bench.best({"hook": lambda: run(f"{TIDEGATE} validate"), "no-op": lambda: run("'true'")}, runs)


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns in line: the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(found))
        for found in (tuple(zip(row, widths, strict=True)) for row in rows)
    )


def goals(found: Mapping[int, Mapping[str, float]], added: Mapping[int, float]) -> list[tuple[str, float, float]]:
    """What was measured, in words, in seconds, and the most that it may be."""
    asked: list[tuple[str, float, float]] = []
    if 10_000 in found:
        times = found[10_000]
        if "check-jsonschema" in times:
            asked.append(("10,000 files cold, a fifth of check-jsonschema", times["tidegate, cold"],
                          times["check-jsonschema"] / 5))  # fmt: skip
        asked.append(("10,000 files unchanged", times["tidegate, again"], 0.3))
    if 1_000 in found:
        asked.append(("1,000 files cold", found[1_000]["tidegate, cold"], 0.6))
    return asked + [(f"the hook on {STAGED} files of {count:,}, over pre-commit's own", took, 0.25)
                    for count, took in added.items()]  # fmt: skip


def main() -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--files", default="1,20,1000,10000", help="sizes of the repositories (default 1,20,1000,10000)"
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each tool on each repository (default 5)")
    parser.add_argument("--without", default="", help="tools to leave out, such as check-jsonschema,yamllint")
    arguments = parser.parse_args()
    sizes = [int(word) for word in arguments.files.split(",")]
    with tempfile.TemporaryDirectory(prefix="tidegate-validate-") as name:
        bench = Bench(Path(name))
        bench.install()
        found = {}
        for count in sizes:
            found[count] = whole(bench, count, arguments.runs, arguments.without.split(","))
            print(".", end="", flush=True)
        hooks = {count: hook(bench, count, 2 * arguments.runs) for count in (STAGED, 1_000)}
    print(f"\nseconds, best of {arguments.runs}; in brackets how many times as long as tidegate, cold\n")
    rows = [("", *(f"{count:,} files" for count in sizes))]
    for tool in found[sizes[0]]:
        own = (
            f"{found[count][tool]:.2f} ({found[count][tool] / found[count]['tidegate, cold']:.1f})" for count in sizes
        )
        rows.append((tool, *own))
    print(table(rows))
    print(f"\n`pre-commit run`, {STAGED} files edited and staged, seconds\n")
    rows = [("", f"of {STAGED} files", "of 1,000 files")]
    rows += [(way, *(f"{hooks[count][way]:.2f}" for count in hooks)) for way in ("no-op", "hook")]
    print(table(rows))
    added = {count: times["hook"] - times["no-op"] for count, times in hooks.items()}
    missed = 0
    print()
    for what, took, most in goals(found, added):
        missed += took > most
        print(f"{'met   ' if took <= most else 'MISSED'}  {what}: {took:.2f} s of {most:.2f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
