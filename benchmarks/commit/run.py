"""From a push to its effect: how long until users are answered by the release that a commit asks for.

Two hot releases, and commits that ask for one and the other in turn, so that no model has to load: what is measured is the
git loop (notice, fetch, read, judge, decide, journal, gateway). Beside it, in the same run and repository, the least that
any such loop needs: `git fetch` of the commit, and reading its files. Prints seconds and the ratio of the medians.

    python benchmarks/commit/run.py [--commits 30] [--models 1,200]
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = [sys.executable, "-m", "tidegate"]
POLICY = """\
# yaml-language-server: $schema=../schemas/rollout-policy.json
api: tidegate/v1
kind: RolloutPolicy
name: progressive
steps:
  - {name: full, weight: 100%, for: 1s}
batch: 500ms
standby: 1h
"""


def git(folder: Path, *words: str) -> str:
    """Run git; its output."""
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout.strip()


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class World:
    """A remote, a clone, a controller, and one model `hello` with two versions; `models` - 1 more that are only declared."""

    def __init__(self, folder: Path, models: int) -> None:
        self.clone = folder / "clone"
        self.remote = folder / "remote.git"
        self.port = free_port()
        subprocess.run([*BIN, "init", str(self.clone), "--no-commit"], check=True, capture_output=True)
        (self.clone / "policies/progressive.yaml").write_text(POLICY)
        for number in range(1, models):
            self._declare(f"other-{number}")
        (self.clone / "models/hello/deployment.yaml").unlink()
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.remote)], check=True)
        subprocess.run(["git", "init", "-q", "-b", "main", str(self.clone)], check=True)
        git(self.clone, "config", "user.name", "Benchmark")
        git(self.clone, "config", "user.email", "benchmark@example.com")
        git(self.clone, "remote", "add", "origin", str(self.remote))
        self.push("models", "add", "-A")
        self.settings = folder / "tidegate.yaml"
        self.settings.write_text(
            "api: tidegate/v1\nkind: Controller\ninstance: benchmark\n"
            f"repository: {self.remote}\npoll: 60s\nstate: state\nruntime: {{kind: process}}\n"
            f'gateway: {{address: "127.0.0.1:{self.port}", flush: 50ms}}\n'
        )
        self.log = folder / "controller.log"
        with self.log.open("wb") as log:
            command = [*BIN, "run", "--ephemeral", "--config", str(self.settings)]
            self.controller = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def _declare(self, name: str) -> None:
        """Another model of the portfolio: read and judged at every commit, never deployed."""
        source, target = self.clone / "models/hello", self.clone / "models" / name
        shutil.copytree(source, target)
        (target / "deployment.yaml").unlink()
        for path in target.rglob("*.yaml"):
            path.write_text(re.sub(r"(?m)^(name|model): hello$", rf"\1: {name}", path.read_text()))

    def push(self, message: str, *words: str) -> tuple[float, float]:
        """Commit and push; when the push began and when it had ended."""
        git(self.clone, *words)
        git(self.clone, "commit", "-q", "-m", message)
        began = time.time()
        git(self.clone, "push", "-q", "origin", "HEAD:main")
        return began, time.time()

    def deploy(self, version: str) -> tuple[float, float]:
        """Ask for a version."""
        path = self.clone / "models/hello/deployment.yaml"
        path.write_text(
            "# yaml-language-server: $schema=../../schemas/deployment.json\n"
            f'api: tidegate/v1\nkind: Deployment\nmodel: hello\nversion: "{version}"\npolicy: progressive\n'
        )
        return self.push(f"hello {version}", "add", "-A")

    def until(self, greeting: bytes, within: float = 60.0) -> float:
        """Call until the answer has this greeting; when that answer came."""
        deadline = time.time() + within
        while time.time() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("POST", "/hello/", b"{}")
                if greeting in connection.getresponse().read():
                    return time.time()
            except OSError:
                time.sleep(0.01)
            finally:
                connection.close()
        ended = self.controller.poll()
        state = f"the controller ended with code {ended}" if ended is not None else "the controller runs"
        raise SystemExit(f"{state}; no answer with {greeting!r} within {within:g} s:\n{self.log.read_text()[-3000:]}")

    def promoted(self, commit: str) -> bool:
        """Whether the commit carries its note."""
        done = subprocess.run(
            ["git", "-C", str(self.remote), "notes", "--ref=tidegate", "show", commit], capture_output=True, check=False
        )
        return b'"promoted"' in done.stdout

    def stop(self) -> None:
        """End the controller, which takes everything down."""
        self.controller.send_signal(signal.SIGTERM)
        try:
            self.controller.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.controller.pid, signal.SIGKILL)
            self.controller.wait()


def least(world: World, folder: Path) -> float:
    """Seconds that git alone needs for the newest commit: fetch it, list it, read its files."""
    mirror = folder / "least.git"
    if not mirror.exists():
        subprocess.run(["git", "init", "-q", "--bare", str(mirror)], check=True)
    began = time.perf_counter()
    git(mirror, "fetch", "-q", "--no-tags", str(world.remote), "+refs/heads/main:refs/heads/main")
    listing = git(mirror, "ls-tree", "-r", "main").splitlines()
    blobs = "\n".join(line.split()[2] for line in listing if line.endswith(".yaml"))
    subprocess.run(
        ["git", "-C", str(mirror), "cat-file", "--batch"], input=f"{blobs}\n".encode(), check=True, capture_output=True
    )
    return time.perf_counter() - began


def measure(commits: int, models: int) -> tuple[list[float], list[float]]:
    """Seconds from the end of each push to its effect, and what git alone needs."""
    with tempfile.TemporaryDirectory(prefix="tidegate-benchmark-") as name:
        folder = Path(name)
        world = World(folder, models)
        try:
            world.deploy("1.0.0")
            world.until(b'"hello"')
            world.deploy("1.1.0")
            world.until(b"welcome")
            commit = git(world.clone, "rev-parse", "HEAD")
            deadline = time.time() + 60
            while not world.promoted(commit):
                world.until(b"welcome")
                if time.time() > deadline:
                    raise SystemExit(f"1.1.0 was not promoted:\n{world.log.read_text()[-3000:]}")
            effects, alone = [], []
            for number in range(commits):
                version, greeting = (("1.0.0", b'"hello"'), ("1.1.0", b"welcome"))[number % 2]
                _, pushed = world.deploy(version)
                effects.append(world.until(greeting) - pushed)
                alone.append(least(world, folder))
        finally:
            world.stop()
    return effects, alone


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--commits", type=int, default=30)
    parser.add_argument("--models", default="1,200")
    arguments = parser.parse_args()
    print(f"{'models':>7} {'commits':>8} {'push to effect p50':>19} {'p99':>8} {'git alone p50':>14} {'ratio':>6}")
    for models in map(int, arguments.models.split(",")):
        effects, alone = measure(arguments.commits, models)
        p50, base = statistics.median(effects), statistics.median(alone)
        p99 = sorted(effects)[min(len(effects) - 1, round(0.99 * (len(effects) - 1)))]
        print(f"{models:>7} {len(effects):>8} {p50:>17.3f} s {p99:>6.3f} s {base:>12.3f} s {p50 / base:>6.1f}")


if __name__ == "__main__":
    main()
