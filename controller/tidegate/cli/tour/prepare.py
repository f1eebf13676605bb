"""Before the tour: which runtime, where the serving environment is, the image for containers. Set-up, not counted in the tour.

Neighbours: `make demo` makes .venv-serving first; serving/build.sh builds the image.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rich.console import Console

from tidegate.cli.tour.world import World
from tidegate.spec.errors import NeedsPerson

SCANS = "models/digits/traffic/scans.jsonl"


def prepare(folder: Path, runtime: str, console: Console) -> tuple[World, Path]:
    """The tour's world, made and not yet started, and the file of scans. Raises NeedsPerson when something is missing."""
    source = _checkout()
    chosen = _runtime(runtime)
    serving, image = None, None
    if chosen == "docker":
        console.print("The serving image, built and pushed to a registry of this machine ...")
        image = _image(source)
    else:
        serving = _serving(source)
    console.print(f"Runtime: {chosen}. Everything the demo makes is in {folder}.")
    world = World(folder, source, chosen, serving, image)
    world.make()
    return world, source / SCANS


def _checkout() -> Path:
    """The checkout of Tidegate: its models are what the tour serves."""
    root = Path(__file__).resolve().parents[4]
    if not (root / SCANS).is_file():
        raise NeedsPerson(
            "the demo serves the models of a Tidegate checkout", where=str(root), fix="run `make demo` in a clone"
        )
    return root


def _runtime(asked: str) -> str:
    if asked != "auto":
        return asked
    import docker

    try:
        client = docker.from_env(version="auto", timeout=5)
    except docker.errors.DockerException:
        return "process"
    client.close()
    return "docker"


def _serving(source: Path) -> Path:
    """The bin folder of the environment that the model servers run in."""
    named = os.environ.get("TIDEGATE_SERVING_PYTHON")
    python = Path(named) if named else source / ".venv-serving/bin/python"
    if not python.exists():
        raise NeedsPerson("the model servers' environment is missing", where=str(python), fix="make serving")
    return python.parent


def _image(source: Path) -> str:
    done = subprocess.run(["bash", str(source / "serving/build.sh")], stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.split()
    if done.returncode or not lines or "@sha256:" not in lines[-1]:
        raise NeedsPerson(
            "the serving image was not built: see above", where="serving/build.sh", fix="or use --runtime process"
        )
    return lines[-1]
