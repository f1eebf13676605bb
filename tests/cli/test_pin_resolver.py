"""What floating references are now, asked of a real registry, a real engine and real git repositories."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import docker
import httpx
import pytest

from support.engine import Registry, eventually, free_port
from tidegate.cli.check.registry import digest, is_loopback, split
from tidegate.cli.check.resolver import WorldResolver
from tidegate.rules.finding import Finding
from tidegate.rules.pins.mends import pin_commit, pin_image

TODAY = date(2026, 11, 21)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def push(host: str, repository: str, tag: str, content: bytes, token: str = "") -> str:
    """Put an image of one small blob into a registry; its digest."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=f"http://{host}", headers=headers, timeout=10) as client:
        name = f"sha256:{hashlib.sha256(content).hexdigest()}"
        upload = client.post(f"/v2/{repository}/blobs/uploads/").headers["location"]
        assert client.put(f"{upload}&digest={name}", content=content).status_code == 201
        blob = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": name, "size": len(content)}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": blob, "layers": []}).encode()
        put = client.put(f"/v2/{repository}/manifests/{tag}", content=manifest, headers={"Content-Type": MANIFEST})
        assert put.status_code == 201, put.text
        return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def git(folder: Path, *words: str) -> str:
    author = ["-c", "user.name=Someone", "-c", "user.email=someone@example.com"]
    done = subprocess.run(["git", "-C", str(folder), *author, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A repository with two commits, a branch of a name with a slash, and two tags."""
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    git(folder, "tag", "-m", "The first", "v1")
    git(folder, "branch", "feature/x")
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    git(folder, "tag", "v2")
    return folder


@pytest.fixture
def resolver(tmp_path: Path) -> WorldResolver:
    return WorldResolver(tmp_path, TODAY)


@pytest.mark.docker
def test_a_tag_is_asked_of_its_registry(local_registry: Registry, resolver: WorldResolver) -> None:
    first = push(local_registry.host, "asked/serve", "2.4", b"{}")
    assert resolver.image(f"{local_registry.host}/asked/serve:2.4") == first
    assert push(local_registry.host, "asked/serve", "2.4", b"{ }") != first
    assert resolver.image(f"{local_registry.host}/asked/serve:2.4") == first, "everything is asked once"
    assert WorldResolver(resolver.root, TODAY).image(f"{local_registry.host}/asked/serve:2.4") != first


@pytest.mark.docker
def test_without_a_tag_it_is_latest(local_registry: Registry, resolver: WorldResolver) -> None:
    wanted = push(local_registry.host, "asked/plain", "latest", b"{}")
    assert resolver.image(f"{local_registry.host}/asked/plain") == wanted


@pytest.mark.docker
def test_a_tag_that_is_not_there_is_nobodys_and_the_reason_is_kept(
    local_registry: Registry, resolver: WorldResolver
) -> None:
    reference = f"{local_registry.host}/asked/serve:none"
    assert resolver.image(reference) is None
    assert "404" in resolver.reasons[reference] and "the engine: " in resolver.reasons[reference]


@pytest.mark.docker
def test_the_engine_remembers_what_it_pushed_to_a_registry_that_is_gone(
    docker_engine: docker.DockerClient, server_tag: str, resolver: WorldResolver, tmp_path: Path
) -> None:
    with _registry(tmp_path, "") as host:
        for name in ("gone", "never-pushed"):
            docker_engine.images.get(server_tag).tag(f"{host}/asked/{name}", "1")
        docker_engine.images.push(f"{host}/asked/gone", "1")
        wanted = digest(f"{host}/asked/gone:1")
    try:
        assert resolver.image(f"{host}/asked/gone:1") == wanted
        assert resolver.image(f"{host}/asked/never-pushed:1") is None
        assert "Connection refused" in resolver.reasons[f"{host}/asked/never-pushed:1"]
    finally:
        for name in ("gone", "never-pushed"):
            docker_engine.images.remove(f"{host}/asked/{name}:1", force=True)


def test_a_registry_of_nobody_is_no_error(resolver: WorldResolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port()}")
    reference = f"127.0.0.1:{free_port()}/serve:1"
    assert resolver.image(reference) is None
    assert resolver.reasons[reference].startswith("the registry: ")


Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], Answer]) -> Iterator[str]:
    """A web server that answers so; its `127.0.0.1:PORT`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing: pytest shows what fails."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A real registry that wants a token, and what the server that gives one was asked for."""
    asked: list[str] = []

    def tokens(request: BaseHTTPRequestHandler) -> Answer:
        asked.append(request.path)
        return 200, {}, b'{"token": "a-token"}'

    with serving(tokens) as host:
        auth = f"auth: {{silly: {{realm: 'http://{host}/token', service: models}}}}\n"
        with _registry(tmp_path, auth) as registry:
            yield registry, asked


@contextmanager
def _registry(folder: Path, more: str) -> Iterator[str]:
    """A real registry of this test's own; its `127.0.0.1:PORT`."""
    host = f"127.0.0.1:{free_port()}"
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{host}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: '{folder / 'data'}'}}}}\n{more}"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return httpx.get(f"http://{host}/v2/").status_code in (200, 401)
        except httpx.TransportError:
            return False

    try:
        eventually(answers)
        yield host
    finally:
        process.terminate()
        process.wait(10)


def test_a_registry_that_wants_a_token_gets_one(guarded: tuple[str, list[str]]) -> None:
    host, asked = guarded
    wanted = push(host, "team/serve", "1", b"{}", token="any")
    assert digest(f"{host}/team/serve:1") == wanted
    assert len(asked) == 1 and "service=models" in asked[0] and "scope=repository%3Ateam%2Fserve%3Apull" in asked[0]


def test_a_registry_that_does_not_name_the_digest_has_its_manifest_hashed() -> None:
    with serving(lambda _: (200, {}, b"{}")) as host:
        assert digest(f"{host}/serve:1") == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    with serving(lambda _: (200, {}, b" " * (4 * 1024 * 1024 + 1))) as host, pytest.raises(OSError, match="more than"):
        digest(f"{host}/serve:1")


@pytest.mark.parametrize(
    ("challenge", "given", "why"),
    [
        ("Basic realm=models", b"", "wants a password"),
        ('Bearer realm="http://tokens.example.com/token"', b"", "wants a password"),
        ('Bearer realm="http://{host}/token"', b"no json", "gives no JSON"),
        ('Bearer realm="http://{host}/token"', b"[]", "gives no token"),
        ('Bearer realm="http://{host}/token"', b'{"token": "a\\nb"}', "gives no token"),
    ],
)
def test_a_registry_that_wants_what_we_have_not_says_so(challenge: str, given: bytes, why: str) -> None:
    def answer(request: BaseHTTPRequestHandler) -> Answer:
        if request.path.startswith("/token"):
            return 200, {}, given
        return 401, {"WWW-Authenticate": challenge.replace("{host}", request.headers["Host"])}, b""

    with serving(answer) as host, pytest.raises(OSError, match=why):
        digest(f"{host}/serve:1")


def test_a_redirect_to_another_host_is_followed_without_the_token() -> None:
    seen: list[tuple[str, str | None]] = []

    def elsewhere(request: BaseHTTPRequestHandler) -> Answer:
        seen.append((request.command, request.headers["Authorization"]))
        return 200, {"Docker-Content-Digest": f"sha256:{'5a' * 32}"}, b""

    def registry(request: BaseHTTPRequestHandler) -> Answer:
        if request.path.startswith("/token"):
            return 200, {}, b'{"access_token": "ours"}'
        if request.headers["Authorization"] != "Bearer ours":
            return 401, {"WWW-Authenticate": f'Bearer realm="http://{request.headers["Host"]}/token"'}, b""
        return 307, {"Location": f"http://{other}/manifest"}, b""

    with serving(elsewhere) as other, serving(registry) as host:
        assert digest(f"{host}/team/serve:1") == f"sha256:{'5a' * 32}"
    assert seen == [("HEAD", None)]


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("serve", ("registry-1.docker.io", "library/serve", "latest")),
        ("acme/serve:1", ("registry-1.docker.io", "acme/serve", "1")),
        ("docker.io/acme/serve:1", ("registry-1.docker.io", "acme/serve", "1")),
        ("registry.example.com/a/b/c:1.2", ("registry.example.com", "a/b/c", "1.2")),
        ("localhost/serve", ("localhost", "serve", "latest")),
        ("[::1]:5000/serve:1", ("[::1]:5000", "serve", "1")),
    ],
)
def test_a_reference_is_read_as_an_engine_reads_it(reference: str, parts: tuple[str, str, str]) -> None:
    assert split(reference) == parts


def test_only_registries_of_this_machine_are_asked_in_plain_http() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1:5000", "localhost", "[::1]:5000", "127.1.2.3"))
    assert not any(is_loopback(host) for host in ("registry.example.com", "10.0.0.1:5000", "127.0.0.1.example.com"))


def test_branches_and_tags_become_full_commits(code: Path, resolver: WorldResolver) -> None:
    one, two = git(code, "rev-parse", "HEAD~1"), git(code, "rev-parse", "HEAD")
    asked = {
        name: resolver.commit(str(code), name) for name in ("main", "HEAD", "v1", "v2", "feature/x", "refs/tags/v1")
    }
    assert asked == {"main": two, "HEAD": two, "v1": one, "v2": two, "feature/x": one, "refs/tags/v1": one}


def test_a_short_commit_is_found_among_the_tips_and_in_a_clone_of_the_repository(code: Path, tmp_path: Path) -> None:
    one, two = git(code, "rev-parse", "HEAD~1"), git(code, "rev-parse", "HEAD")
    assert WorldResolver(tmp_path, TODAY).commit(str(code), two[:9]) == two
    git(code, "tag", "-d", "v1")
    git(code, "branch", "-D", "feature/x")
    assert WorldResolver(tmp_path, TODAY).commit(str(code), one[:9]) is None
    git(tmp_path, "clone", "-q", str(code), "clone")
    assert WorldResolver(tmp_path / "clone", TODAY).commit(str(code), one[:9]) == one


@pytest.mark.parametrize("reference", ["nothing", "main~1", "-x", "main dirty", "0123456789"])
def test_what_no_repository_has_is_nobodys(code: Path, resolver: WorldResolver, reference: str) -> None:
    assert resolver.commit(str(code), reference) is None
    assert resolver.reasons[reference]


def test_a_repository_out_of_reach_gives_a_reason_without_its_password(resolver: WorldResolver) -> None:
    address = f"http://me:secret@127.0.0.1:{free_port()}/code.git"
    assert resolver.commit(address, "main") is None
    assert "cannot be read" in resolver.reasons["main"] and "secret" not in resolver.reasons["main"]


def test_a_repositorys_address_runs_no_command(resolver: WorldResolver, tmp_path: Path) -> None:
    for address in (f"ext::sh -c touch% {tmp_path}/ran", f"--upload-pack=touch {tmp_path}/ran"):
        assert resolver.commit(address, "main") is None
    assert not (tmp_path / "ran").exists()


@pytest.mark.docker
def test_a_versions_tag_and_branch_are_written_as_what_they_are_now(
    local_registry: Registry, code: Path, resolver: WorldResolver
) -> None:
    image = f"{local_registry.host}/mended/serve:2.4"
    name, head = push(local_registry.host, "mended/serve", "2.4", b"{}"), git(code, "rev-parse", "HEAD")
    text = f"runtime:\n  image: {image}\ncode:\n  repository: {code}\n  commit: main   # the trunk\n"
    text = pin_image(text, _at(2, 10), resolver) or ""
    text = pin_commit(text, _at(5, 11), resolver) or ""
    assert text == (
        f'runtime:\n  image: "{image}@{name}"  # was: {image}, resolved 2026-11-21\ncode:\n  repository: {code}\n'
        f'  commit: "{head}"   # the trunk  # was: main, resolved 2026-11-21\n'
    )


def _at(line: int, column: int) -> Finding:
    return Finding("models/digits/versions/1.0.0.yaml", line, column, "floating", "error", "", "")
