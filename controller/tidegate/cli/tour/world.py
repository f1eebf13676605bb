"""The tour's own world in one folder: a bare remote, a person's clone, a controller with its gateway. Nothing outside it.

Neighbours: chapters.py acts in it as a person would, with git and a text editor; traffic.py calls the gateway.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidegate.cli.tour.image import stamp_images
from tidegate.engine.live import fresh, read_live
from tidegate.journal.reader import Reader
from tidegate.spec.errors import NeedsPerson, RetryLater

COPIED = ("models/digits", "policies", "schemas")
STARTED_WITHIN = 30.0


class World:
    """Where the tour takes place. `runtime` is docker or process; `image` the pinned serving image for docker."""

    def __init__(self, folder: Path, source: Path, runtime: str, serving: Path | None, image: str | None) -> None:
        self.folder = folder
        self.clone = folder / "clone"
        self.remote = folder / "remote.git"
        self.state = folder / "state"
        self.log = folder / "controller.log"
        self.gateway = f"127.0.0.1:{_free_port()}"
        self._source = source
        self._runtime = runtime
        self._serving = serving
        self._image = image
        self._controller: subprocess.Popen[bytes] | None = None

    # -- making it -------------------------------------------------------------------------------------------------

    def make(self) -> None:
        """The remote with the demo's configuration, nothing deployed yet; the clone; the controller's settings."""
        self.git("init", "-q", "--bare", "-b", "main", str(self.remote), at=self.folder)
        self.git("init", "-q", "-b", "main", str(self.clone), at=self.folder)
        for name in COPIED:
            shutil.copytree(self._source / name, self.clone / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.git("config", "user.name", "Demo")
        self.git("config", "user.email", "demo@example.com")
        self.git("remote", "add", "origin", str(self.remote))
        if self._image is not None:
            stamp_images(self.clone, self._image)
        deployment = self.clone / "models/digits/deployment.yaml"
        self._deployment = re.sub(r"(?m)^policy: .*$", "policy: demo", deployment.read_text())
        deployment.unlink()
        self.commit("Models and policies; nothing is deployed yet")
        self.settings = self.folder / "tidegate.yaml"
        path = f", path: ['{self._serving}']" if self._serving else ""
        self.settings.write_text(
            "api: tidegate/v1\nkind: Controller\ninstance: demo\nenvironment: production\n"
            f"repository: {self.remote}\nbranch: main\npoll: 5s\nstate: state\n"
            f"runtime: {{kind: {self._runtime}, address: published{path}}}\n"
            f'gateway: {{address: "{self.gateway}", flush: 50ms}}\n'
        )

    def start(self) -> None:
        """Start the controller, as `tidegate run` in its own session."""
        words = [sys.executable, "-m", "tidegate", "run", "--ephemeral", "--config", str(self.settings)]
        with self.log.open("ab") as log:
            self._controller = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        self.wait(lambda: fresh(read_live(self.state)), STARTED_WITHIN, "the controller to start")

    def stop(self) -> None:
        """End the controller; it takes its servers and its gateway down."""
        if self._controller is None:
            return
        self._controller.send_signal(signal.SIGTERM)
        try:
            self._controller.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self._controller.pid, signal.SIGKILL)
            self._controller.wait()

    # -- what a person does ----------------------------------------------------------------------------------------

    def git(self, *words: str, at: Path | None = None) -> str:
        """Run git in the clone. Raises NeedsPerson with git's own words."""
        done = subprocess.run(["git", *words], cwd=at or self.clone, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NeedsPerson(f"git {words[0]}: {done.stderr.strip()}", where=str(at or self.clone), fix="see above")
        return done.stdout.strip()

    def commit(self, message: str) -> tuple[str, float]:
        """Commit everything and push it; the commit and when the push had ended (epoch seconds)."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self._push()

    def revert(self, commit: str) -> tuple[str, float]:
        """`git revert` and push."""
        self.git("pull", "-q", "--rebase", "origin", "main")
        self.git("revert", "--no-edit", commit)
        return self._push()

    def _push(self) -> tuple[str, float]:
        self.git("push", "-q", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD"), time.time()

    def deploy(self, version: str, reason: str) -> tuple[str, float]:
        """Ask for a version in deployment.yaml."""
        path = self.clone / "models/digits/deployment.yaml"
        if path.exists():
            self.git("pull", "-q", "--rebase", "origin", "main")
        text = path.read_text() if path.exists() else self._deployment
        text = re.sub(r"(?m)^version: .*$", f'version: "{version}"', text)
        text = re.sub(r"(?m)^reason: .*$", f"reason: {reason}", text)
        path.write_text(text)
        return self.commit(f"digits {version}: {reason}")

    def edit_config(self, before: str, after: str, message: str) -> tuple[str, float]:
        """Edit the inference config in place."""
        self.git("pull", "-q", "--rebase", "origin", "main")
        path = self.clone / "models/digits/configs/default.yaml"
        text = path.read_text()
        if before not in text:
            raise NeedsPerson(f"'{before}' does not stand there", where=str(path), fix="mend the demo's config")
        path.write_text(text.replace(before, after))
        return self.commit(message)

    def asked_for(self) -> str:
        """The version that the remote's branch asks for now."""
        text = self.git("show", "main:models/digits/deployment.yaml", at=self.remote)
        found = re.search(r'(?m)^version: "?([^"\s]+)"?', text)
        return found[1] if found else "nothing"

    # -- what a person sees ----------------------------------------------------------------------------------------

    def live(self) -> dict[str, Any]:
        """The controller's status."""
        return read_live(self.state) or {"routes": [], "problems": [], "running": False}

    def route(self) -> dict[str, Any] | None:
        """The status of the route `digits`, None before it has one."""
        return next((route for route in self.live()["routes"] if route["route"] == "digits"), None)

    def events(self, since: float = 0.0) -> list[dict[str, Any]]:
        """The journal's events of the route since a moment, oldest first."""
        try:
            with Reader(self.state / "journal.db") as journal:
                return journal.events("digits", since=since, limit=500)
        except NeedsPerson:  # no journal yet
            return []

    def instances(self) -> dict[str, str]:
        """What runs: name to the engine's own id."""
        return {one["name"]: one["ref"] for one in self.live().get("instances", []) if one["running"]}

    def wait(self, holds: Callable[[], object], within: float, what: str) -> None:
        """Poll until something holds. Raises RetryLater with the end of the controller's log when it does not."""
        deadline = time.monotonic() + within
        while not holds():
            ended = self._controller is not None and self._controller.poll() is not None
            if ended or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace").splitlines()[-15:] if self.log.exists() else []
                why = "the controller ended" if ended else f"it took more than {within:g} s"
                raise RetryLater(f"waited for {what}, and {why}\n" + "\n".join(tail), where=str(self.log))
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
