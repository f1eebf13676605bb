"""Images that nobody needs: only those that are named, that no container uses, and that the engine can let go."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Iterator

import docker
import pytest

from tidegate.runtime.docker import DockerRuntime
from tidegate.runtime.interface import HoldsImages
from tidegate.runtime.process import ProcessRuntime
from tidegate.spec.controller import RuntimeSettings
from tidegate.spec.errors import NeedsPerson

pytestmark = pytest.mark.docker


@pytest.fixture
def images(docker_engine: docker.DockerClient) -> Iterator[tuple[str, str]]:
    """Two images of one empty file each."""
    names = tuple(f"tidegate-test/{uuid.uuid4().hex[:8]}:1" for _ in range(2))
    for name in names:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name.replace("/", "-")))
        docker_engine.api.import_image_from_data(content.getvalue(), repository=name[:-2], tag="1")
    yield names[0], names[1]
    for name in names:
        for container in docker_engine.containers.list(all=True, filters={"ancestor": name}):
            container.remove(force=True)
        if docker_engine.images.list(name):
            docker_engine.images.remove(name)


def test_an_image_that_no_container_uses_can_go_and_one_that_a_stopped_one_uses_stays(
    docker_engine: docker.DockerClient, images: tuple[str, str]
) -> None:
    runtime = DockerRuntime(docker_engine, RuntimeSettings(kind="docker"), "images-test")
    used, idle = images
    docker_engine.containers.create(used, ["none"])
    assert set(runtime.idle_images([used, idle, "tidegate-test/never-seen:1"])) == {idle}
    runtime.drop_image(idle)
    assert runtime.idle_images([used, idle]) == {}
    with pytest.raises(NeedsPerson, match="the image stays"):
        runtime.drop_image(used)
    assert docker_engine.images.get(used)


def test_processes_have_no_images() -> None:
    assert issubclass(DockerRuntime, HoldsImages)
    assert not issubclass(ProcessRuntime, HoldsImages)
