"""Containers in particular: hardening, images, names of others, addresses, an engine that goes away and comes back."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from docker.errors import APIError

from support.engine import eventually
from support.places import DIGEST, ended, env_of, get, only, ready
from tidegate.runtime.docker import DockerRuntime
from tidegate.runtime.faults import cannot_see
from tidegate.runtime.interface import Workload
from tidegate.runtime.select import open_runtime
from tidegate.spec.controller import RuntimeSettings
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.version import Runtime as RuntimeSpec


def with_image(image: str) -> Workload:
    return Workload("digits", "1.0.0", DIGEST, 0, RuntimeSpec(image=image))


@pytest.fixture
def foreign(docker_engine, server_tag):
    """Makes containers that are not ours, and removes them at the end."""
    made = []

    def make(name, labels=None, start=False):
        container = docker_engine.containers.create(server_tag, ["sleep", "600"], name=name, labels=labels or {})
        made.append(container)
        if start:
            container.start()
        return container

    yield make
    for container in made:
        container.remove(force=True)


def test_a_container_is_hardened(docker_place, docker_engine, tmp_path):
    artifact = tmp_path / "model.onnx"
    artifact.write_bytes(b"weights")
    artifact.chmod(0o444)
    runtime = docker_place.open()
    runtime.start(docker_place.workload(artifact=artifact, resources={"cpus": 0.5, "memory": "96Mi"}))
    instance = ready(runtime)
    found = docker_engine.api.inspect_container(instance.ref)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["CapDrop"] == ["ALL"]
    assert host["Privileged"] is False
    assert found["Config"]["User"] == "65534:65534"
    assert host["PidsLimit"] == 2048
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (96 << 20, 96 << 20, 500_000_000)
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert host["PortBindings"]["8080/tcp"][0]["HostIp"] == "127.0.0.1"
    assert [(mount["Destination"], mount["RW"]) for mount in found["Mounts"]] == [("/model/model.onnx", False)]
    assert env_of(instance)["uid"] == "65534"


def test_only_tmp_can_be_written(docker_place, tmp_path):
    artifact = tmp_path / "model.onnx"
    artifact.write_bytes(b"weights")
    artifact.chmod(0o666)
    runtime = docker_place.open(user="0:0")
    runtime.start(docker_place.workload(artifact=artifact))
    instance = ready(runtime)
    for path in ("/model/model.onnx", "/server.py", "/model/other"):
        status, body = get(instance, f"/write?{path}")
        assert (status, b"Read-only" in body) == (500, True), path
    assert get(instance, "/write?/tmp/scratch") == (200, b"written")
    assert artifact.read_bytes() == b"weights"


def test_too_much_memory_ends_the_container_and_not_the_host(docker_place):
    workload = docker_place.workload(resources={"memory": "32Mi"})
    eater = workload.spec.model_copy(update={"command": ("python3", "-c", "x = bytearray(200 << 20)")})
    runtime = docker_place.open()
    runtime.start(Workload("digits", "1.0.0", DIGEST, 0, eater))
    assert ended(runtime).exit_code == 137


def test_gpus_are_asked_of_the_engine_and_their_lack_is_said(docker_place):
    runtime = docker_place.open()
    with pytest.raises(NeedsPerson, match="gpu") as raised:
        runtime.start(docker_place.workload(resources={"gpus": 1}))
    assert "GPU support" in (raised.value.fix or "")
    assert runtime.observe() == []


def test_more_cpus_than_there_are_need_a_person(docker_place):
    with pytest.raises(NeedsPerson, match="CPUs"):
        docker_place.open().start(docker_place.workload(resources={"cpus": 4096}))


def test_a_command_that_is_not_in_the_image_ends_with_127_and_says_so(docker_place):
    workload = docker_place.workload()
    spec = workload.spec.model_copy(update={"command": ("no-such-server",)})
    runtime = docker_place.open()
    runtime.start(Workload("digits", "1.0.0", DIGEST, 0, spec))
    instance = ended(runtime)
    assert instance.exit_code == 127
    assert "no-such-server" in "".join(runtime.logs(instance.name))


def test_a_missing_image_is_pulled_by_digest(docker_place, docker_engine, server_image):
    if server_image in [digest for image in docker_engine.images.list() for digest in image.attrs["RepoDigests"]]:
        docker_engine.images.remove(server_image)
    runtime = docker_place.open()
    runtime.start(docker_place.workload())
    assert docker_engine.api.inspect_container(ready(runtime).ref)["Config"]["Image"] == server_image


def test_a_local_image_id_needs_no_registry(docker_place, docker_engine, server_tag):
    docker_place.image = docker_engine.images.get(server_tag).id
    runtime = docker_place.open()
    runtime.start(docker_place.workload())
    ready(runtime)


def test_a_digest_that_the_registry_does_not_have_needs_a_person(docker_place, local_registry):
    gone = f"{local_registry.host}/test-server@sha256:{'0' * 64}"
    with pytest.raises(NeedsPerson, match="no such image") as raised:
        docker_place.open().start(with_image(gone))
    assert raised.value.where == gone


def test_an_unknown_repository_and_an_unknown_id_need_a_person(docker_place, local_registry):
    with pytest.raises(NeedsPerson, match="no such image"):
        docker_place.open().start(with_image(f"{local_registry.host}/nothing@sha256:{'0' * 64}"))
    with pytest.raises(NeedsPerson, match="no image of that id"):
        docker_place.open().start(with_image(f"sha256:{'0' * 64}"))


def test_a_registry_that_is_down_is_tried_again_later(docker_place, unused_port):
    with pytest.raises(RetryLater, match="cannot be pulled now"):
        docker_place.open().start(with_image(f"127.0.0.1:{unused_port}/test-server@sha256:{'0' * 64}"))


@pytest.mark.parametrize(
    ("status", "error", "message"), [(401, NeedsPerson, "cannot be pulled"), (503, RetryLater, "cannot be pulled now")]
)
def test_a_registry_that_refuses_is_told_from_one_in_trouble(docker_place, status, error, message):
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("www-authenticate", 'Basic realm="registry"')
            self.send_header("content-length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 the name that the base class looks for

        def log_message(self, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as registry:
        thread = threading.Thread(target=registry.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with pytest.raises(error, match=message):
                docker_place.open().start(with_image(f"127.0.0.1:{registry.server_port}/x@sha256:{'0' * 64}"))
        finally:
            registry.shutdown()
            thread.join()


def test_a_version_without_an_image_needs_a_person(docker_place):
    with pytest.raises(NeedsPerson, match="names no image"):
        docker_place.open().start(Workload("digits", "1.0.0", DIGEST, 0, RuntimeSpec(command=("serve",))))


def test_foreign_containers_are_neither_seen_nor_touched(docker_place, foreign):
    runtime = docker_place.open()
    name = docker_place.workload().name
    similar = foreign(f"{docker_place.instance}.{name}-copy", start=True)
    labelled = foreign(f"by-hand-{uuid.uuid4().hex[:8]}", {"io.tidegate.instance": docker_place.instance})
    other = foreign(
        f"other-{uuid.uuid4().hex[:8]}", {"io.tidegate.instance": "somebody", "io.tidegate.name": name}, start=True
    )
    assert runtime.observe() == []
    runtime.start(docker_place.workload())
    runtime.stop(ready(runtime).name, grace=0)
    for container in (similar, labelled, other):
        container.reload()
    assert [container.status for container in (similar, labelled, other)] == ["running", "created", "running"]


def test_a_name_taken_by_a_foreign_container_needs_a_person(docker_place, foreign):
    runtime = docker_place.open()
    name = docker_place.workload().name
    container = foreign(f"{docker_place.instance}.{name}", {"io.tidegate.instance": "somebody"}, start=True)
    for call in (
        lambda: runtime.start(docker_place.workload()),
        lambda: runtime.stop(name, 0),
        lambda: list(runtime.logs(name)),
    ):
        with pytest.raises(NeedsPerson, match="not ours"):
            call()
    container.reload()
    assert container.status == "running"


def test_a_container_left_by_a_crash_before_its_start_is_started(docker_place, docker_engine):
    runtime = docker_place.open()
    runtime.start(docker_place.workload())
    full = docker_engine.api.inspect_container(only(runtime).ref)
    runtime.stop(only(runtime).name, grace=0)
    docker_engine.api.create_container(
        full["Config"]["Image"],
        full["Config"]["Cmd"],
        name=full["Name"].lstrip("/"),
        labels=full["Config"]["Labels"],
        environment=full["Config"]["Env"],
    )
    left = only(runtime)
    assert (left.running, left.exit_code) == (False, None)
    runtime.start(docker_place.workload())
    assert ready(runtime).ref == left.ref


def test_a_container_removed_by_hand_comes_back(docker_place, docker_engine):
    runtime = docker_place.open()
    runtime.start(docker_place.workload())
    docker_engine.containers.get(ready(runtime).ref).remove(force=True)
    assert runtime.observe() == []
    runtime.start(docker_place.workload())
    ready(runtime)


@pytest.mark.parametrize("address", ["container", "published"])
def test_both_kinds_of_address_reach_the_server(docker_place, address):
    runtime = docker_place.open(address=address)
    runtime.start(docker_place.workload())
    instance = ready(runtime)
    assert instance.address is not None
    assert (instance.address[0] == "127.0.0.1") == (address == "published")
    assert (instance.address[1] == 8080) == (address == "container")


def test_auto_takes_the_containers_own_address_where_the_bridge_is_on_this_host(docker_place):
    runtime = docker_place.open()
    runtime.start(docker_place.workload())
    assert ready(runtime).address[1] == 8080


def test_a_folder_that_is_here_and_not_where_the_engine_runs_is_told_from_one_that_is_gone(tmp_path):
    text = 'invalid mount config for type "bind": bind source path does not exist: {}'
    here, gone = (APIError("400", explanation=text.format(path)) for path in (tmp_path, tmp_path / "gone"))
    assert cannot_see(here, tmp_path)
    assert not cannot_see(here, tmp_path / "other")
    assert not cannot_see(gone, tmp_path / "gone")


def test_an_artifact_that_vanished_from_the_cache_is_tried_again(docker_place, tmp_path):
    with pytest.raises(RetryLater, match="gone from the artifact cache"):
        docker_place.open().start(docker_place.workload(artifact=tmp_path / "gone.onnx"))


# The SDK leaves the socket of a connection that could not be made to the garbage collector.
sdk_leaks_a_socket = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def collected():
    """Collects that garbage before the next test, which has no such mark."""
    yield
    gc.collect()


@sdk_leaks_a_socket
@pytest.mark.usefixtures("collected")
def test_an_engine_that_does_not_answer_is_tried_again(tmp_path):
    settings = RuntimeSettings(kind="docker", host=f"unix://{tmp_path}/none.sock")
    with pytest.raises(RetryLater, match="does not answer"):
        open_runtime(settings, "t", tmp_path)


class Relay:
    """A unix socket in front of the engine's: cutting it looks like an engine that restarts."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._links: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.path)
        self._server.listen()
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def cut(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        Path(self.path).unlink()
        links, self._links = self._links, []
        for link in links:
            with contextlib.suppress(OSError):  # its other end was first
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect("/var/run/docker.sock")
            self._links += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


@sdk_leaks_a_socket
@pytest.mark.usefixtures("collected")
def test_events_are_heard_again_after_the_engine_came_back(docker_place, docker_engine, tmp_path, hints):
    relay = Relay(str(tmp_path / "engine.sock"))
    runtime = docker_place.open(host=f"unix://{relay.path}")
    assert isinstance(runtime, DockerRuntime)
    runtime.start(docker_place.workload())
    instance = ready(runtime)
    runtime.watch(hints)
    eventually(lambda: hints.seen)
    relay.cut()
    with pytest.raises(RetryLater, match="does not answer"):
        runtime.observe()
    docker_engine.containers.get(instance.ref).kill("KILL")
    before = hints.seen
    relay.open()
    eventually(lambda: hints.seen > before)
    assert ended(runtime).exit_code == 137
    before = hints.seen
    runtime.start(docker_place.workload())
    eventually(lambda: hints.seen > before)
    runtime.close()
    relay.cut()
