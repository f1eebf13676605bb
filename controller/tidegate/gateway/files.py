"""The gateway's folder: what Envoy reads and watches, written so that it never sees half of anything.

supervisor.py owns it; a new controller reads it to learn what is applied.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from tidegate.gateway import cluster, mirror, render, wire

GENERATION = "generation"


def replace(path: Path, content: bytes) -> None:
    """Write beside it, then rename over it: Envoy wakes on the rename."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


class Folder:
    """Paths, and what was last written to them."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.bootstrap = self.root / "bootstrap.json"
        self.clusters = self.root / "config" / "clusters.pb"
        self.listeners = self.root / "config" / "listeners.json"
        self.routes = self.root / "config" / "routes.pb"
        self.layer = self.root / "weights" / "current"
        self.record = self.root / "record" / "predictions.jsonl"
        self.answers = self.root / "answers" / "answers.jsonl"
        self.log = self.root / "envoy.log"
        self.process = self.root / "envoy.json"
        self.base_id = self.root / "base-id"
        self._salt = self.root / "salt"

    def prepare(self) -> None:
        """Make what Envoy needs to start, leave what is there: after a crash it serves alone from these files."""
        for folder in (self.clusters.parent, self.layer.parent, self.record.parent, self.answers.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for file, empty in ((self.clusters, cluster.assemble), (self.routes, render.route_file)):
            if not file.exists():
                older = file.with_suffix(".json")  # as Tidegate wrote it before 0.2
                replace(file, wire.from_json(older.read_bytes()) if older.exists() else empty({})[1])
        if not self.listeners.exists():
            replace(self.listeners, mirror.listener_file({})[1])
        if not self.layer.exists():
            self.write_layer({})

    def salt(self) -> str:
        """This installation's secret for what the record hides; made at the first call, and kept: sessions go by it."""
        if not self._salt.exists():
            fresh = self._salt.with_name(".salt.new")
            os.close(owner_only(fresh))
            fresh.write_text(secrets.token_hex(16))
            fresh.replace(self._salt)
        return self._salt.read_text()

    def read_layer(self) -> dict[str, int]:
        """The runtime keys on disk."""
        root = self.layer / "tidegate" / "weights"
        return {
            f"weights.{'.'.join(file.relative_to(root).parts)}": int(file.read_text())
            for file in root.rglob("*")
            if file.is_file()
        }

    def generation(self) -> int:
        """The number of the layer on disk; 0 before the first."""
        return int(self.layer.readlink().name) if self.layer.is_symlink() else 0

    def write_layer(self, keys: Mapping[str, int]) -> int:
        """Write all `keys` as a new layer and swap it in. Its generation stands in it, so that Envoy can be asked for it."""
        number = self.generation() + 1
        fresh = self.layer.parent / str(number)
        shutil.rmtree(fresh, ignore_errors=True)  # left by a controller that died before the swap
        (fresh / "tidegate").mkdir(parents=True)
        (fresh / "tidegate" / GENERATION).write_text(str(number))
        for key, weight in keys.items():
            file = fresh / "tidegate" / Path(*key.split("."))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(str(weight))
        link = self.layer.with_name("next")
        link.unlink(missing_ok=True)
        link.symlink_to(str(number))
        link.replace(self.layer)
        return number

    def sweep_layers(self) -> None:
        """Remove the layers that are no longer in use. Only once Envoy has read the present one."""
        for folder in self.layer.parent.iterdir():
            if folder.name.isdigit() and int(folder.name) != self.generation():
                shutil.rmtree(folder)

    def rotate(self, path: Path) -> Path | None:
        """Rename the record, or the answers; Envoy writes on into the renamed file until it is told to reopen. None: no file."""
        if not path.exists():
            return None
        name = f"{path.name}."
        numbers = [
            int(file.name.removeprefix(name))
            for file in path.parent.glob(f"{name}*")
            if file.name.removeprefix(name).isdigit()
        ]
        return path.rename(path.with_name(f"{name}{max(numbers, default=0) + 1:06d}"))


def same_boot() -> str:
    """The id of this boot of the machine: process ids mean nothing in the next."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def owner_only(path: Path) -> int:
    """Open for appending, readable by this user only."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
