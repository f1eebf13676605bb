"""The reference image, built without an image registry, pushed to one of this machine, and run as the runtime would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import httpx
import pytest
from docker.types import Mount

from support.engine import Registry, eventually
from support.model_server import ARTIFACTS, ROOT

SERVING = ROOT / "serving"
REFERENCE = "127.0.0.1:5000/tidegate-serve@sha256:" + "5a" * 32


def script(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run one of serving/'s programs."""
    return subprocess.run(
        [str(SERVING / words[0]), *words[1:]],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


@pytest.fixture(scope="module")
def image(docker_engine: docker.DockerClient, local_registry: Registry, serving_python: str) -> str:
    """The reference by digest that build.sh prints."""
    done = script("build.sh", TIDEGATE_REGISTRY=local_registry.host, TIDEGATE_SERVING_PYTHON=serving_python)
    assert not done.returncode, done.stderr
    assert re.fullmatch(rf"{local_registry.host}/tidegate-serve@sha256:[0-9a-f]{{64}}\n", done.stdout)
    return done.stdout.strip()


@pytest.fixture
def container(docker_engine: docker.DockerClient, image: str) -> Iterator[httpx.Client]:
    """A hardened container of version 2.0.0, by digest from the registry; a client of its published port."""
    docker_engine.images.pull(image)
    artifact = Mount("/model/model.onnx", str(ARTIFACTS / "2.0.0/model.onnx"), type="bind", read_only=True)
    server = ["python3", "-m", "tidegate_serving", "--artifact", "/model/model.onnx", "--port", "8080"]
    running = docker_engine.containers.run(
        image,
        [*server, "--name", "digits", "--version", "2.0.0"],
        detach=True,
        read_only=True,
        tmpfs={"/tmp": "size=64m"},
        user="65534:65534",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=256,
        mem_limit="512m",
        mounts=[artifact],
        ports={"8080/tcp": ("127.0.0.1", None)},
    )
    try:
        running.reload()
        port = running.ports["8080/tcp"][0]["HostPort"]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

            def ready() -> bool:
                running.reload()
                assert running.status == "running", running.logs().decode()
                try:
                    return client.get("/v2/health/ready").status_code == 200
                except httpx.TransportError:
                    return False

            eventually(ready)
            yield client
        began = time.monotonic()
        running.stop(timeout=60)
        assert time.monotonic() - began < 50, "TERM did not end it"
        assert running.wait()["StatusCode"] == 0
    finally:
        running.remove(force=True)


def test_the_image_serves_a_model_without_privileges_and_ends_on_term(container: httpx.Client) -> None:
    scan = json.loads((ROOT / "models/digits/traffic/scans.jsonl").read_text().splitlines()[0])
    answer = container.post("/v2/models/digits/infer", json=scan["input"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["data"] == [scan["expected"]["digit"]]
    assert answer.json()["model_version"] == "2.0.0"


def test_building_again_gives_the_same_reference(image: str, local_registry: Registry, serving_python: str) -> None:
    done = script("build.sh", TIDEGATE_REGISTRY=local_registry.host, TIDEGATE_SERVING_PYTHON=serving_python)
    assert done.stdout.strip() == image


def test_a_base_image_that_cannot_be_had_is_said(docker_engine: docker.DockerClient, local_registry: Registry) -> None:
    done = script("build.sh", TIDEGATE_SERVING_BASE=f"{local_registry.host}/no-such-base:1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "fix: correct TIDEGATE_SERVING_BASE" in done.stderr


def test_the_registry_keeps_its_port_and_what_was_pushed(docker_engine: docker.DockerClient, tmp_path: Path) -> None:
    env = {"TIDEGATE_REGISTRY_DIR": str(tmp_path / "registry")}
    try:
        first = script("registry.sh", "start", **env)
        host = first.stdout.strip()
        assert re.fullmatch(r"127\.0\.0\.1:\d+", host), first.stderr
        assert script("registry.sh", "start", **env).stdout.strip() == host
        upload = httpx.post(f"http://{host}/v2/kept/blobs/uploads/")
        digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        assert httpx.put(f"{upload.headers['location']}&digest={digest}").status_code == 201
        assert not script("registry.sh", "stop", **env).returncode
        assert script("registry.sh", "status", **env).returncode == 1
        assert script("registry.sh", "start", **env).stdout.strip() == host
        assert httpx.head(f"http://{host}/v2/kept/blobs/{digest}").status_code == 200
    finally:
        script("registry.sh", "stop", **env)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A configuration repository with one version of ours and one of another server, nothing committed yet."""
    versions = tmp_path / "models/digits/versions"
    versions.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    source = (ROOT / "models/digits/versions/2.0.0.yaml").read_text()
    (versions / "2.0.0.yaml").write_text(source)
    (versions / "3.0.0.yaml").write_text("runtime:\n  command: [another-server]\n")
    return tmp_path


def test_stamping_writes_the_reference_into_new_versions_of_this_server_only(fresh: Path) -> None:
    before = (fresh / "models/digits/versions/2.0.0.yaml").read_text()
    done = script("stamp.py", REFERENCE, str(fresh))
    assert done.stdout == "models/digits/versions/2.0.0.yaml\n", done.stderr
    after = (fresh / "models/digits/versions/2.0.0.yaml").read_text()
    assert [line for line in after.splitlines() if REFERENCE in line] == [f'  image: "{REFERENCE}"']
    assert re.sub(r"  image: .*\n", "", after) == re.sub(r"  image: .*\n", "", before)
    assert REFERENCE not in (fresh / "models/digits/versions/3.0.0.yaml").read_text()


def test_a_version_that_a_commit_holds_is_not_stamped(fresh: Path) -> None:
    author = ["-c", "user.name=Someone", "-c", "user.email=someone@example.com"]
    subprocess.run(["git", "add", "-A"], cwd=fresh, check=True)
    subprocess.run(["git", *author, "commit", "-q", "-m", "Merged"], cwd=fresh, check=True)
    done = script("stamp.py", REFERENCE, str(fresh))
    assert (done.returncode, done.stdout) == (1, "")
    assert "a new image is a new version" in done.stderr
    assert not subprocess.run(["git", "status", "--porcelain"], cwd=fresh, check=True, capture_output=True).stdout


@pytest.mark.parametrize("reference", ["tidegate-serve:latest", "tidegate-serve@sha256:5a5a"])
def test_a_floating_reference_is_refused(fresh: Path, reference: str) -> None:
    assert script("stamp.py", reference, str(fresh)).returncode == 2
